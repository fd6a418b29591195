"""What the model was shown and what it made of it: dark, lit and predicted picture side by side."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from llv.models.data_preprocessors import EnhancedDataPreprocessor
from llv.registry import HOOKS
from llv.utils.pictures import WRITABLE_SUFFIXES


@HOOKS.register_module()
class EnhancedVisualizationHook(Hook):
    """Write each test picture as dark | enhanced | prediction, or dark | prediction without an enhancer.

    All panels have the size of the original picture, whatever the pipeline and the enhancer did to it,
    so that boxes and label maps, which are in original coordinates, lie where they belong. The
    prediction is drawn by the runner's visualizer (mmdet's or mmseg's), on the enhanced picture where
    there is one. In several processes the first one writes its share.

    While it is on, every data sample holds its lit picture; metrics that keep whole samples, such as
    those behind ``--out``, then need memory for them.

    Args:
        out_dir: Folder for the pictures; in it they keep their names, and their folders where they come
            from several.
        score_thr: Instances are drawn from this score on.
        draw_gt: Put the ground truth between the enhanced picture and the prediction; the test pipeline
            must load annotations.
        count: Write only so many pictures, spread evenly over the set; None for all.

    Raises:
        ValueError: `count` is below 1; at the start of a test if the visualizer draws no predictions or
            `out_dir` is the folder of the test pictures; later if a picture has another size than the
            pipeline saw.
    """

    priority = 'LOW'

    def __init__(
        self,
        out_dir: str | os.PathLike,
        score_thr: float = 0.3,
        draw_gt: bool = False,
        count: int | None = None,
    ) -> None:
        if count is not None and count < 1:
            raise ValueError(f'`count` must be at least 1, but got {count!r}.')
        self.count = count
        self._chosen: set[str] = set()
        self.out_dir = Path(out_dir)
        self.score_thr = score_thr
        self.draw_gt = draw_gt
        self._root = ''
        self._kept: dict[EnhancedDataPreprocessor, bool] = {}

    def before_test(self, runner: Runner) -> None:
        """Ask the preprocessors to keep the lit pictures; find the folder that all pictures share."""
        if 'out_file' not in inspect.signature(runner.visualizer.add_datasample).parameters:
            raise ValueError(
                f'`{type(runner.visualizer).__name__}` draws no predictions; set `visualizer` to '
                '`mmdet.DetLocalVisualizer` or `mmseg.SegLocalVisualizer`.'
            )
        dataset = runner.test_dataloader.dataset
        paths = [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))]
        self._root = os.path.commonpath({os.path.dirname(path) for path in paths})
        count = len(paths) if self.count is None else min(self.count, len(paths))
        spread = np.linspace(0, len(paths) - 1, count).round().astype(int)
        self._chosen = {paths[index] for index in spread}
        if self.out_dir.resolve() == Path(self._root).resolve():
            raise ValueError(
                f'`{self.out_dir}` holds the test pictures themselves; choose another `out_dir`.'
            )
        for module in runner.model.modules():
            if isinstance(module, EnhancedDataPreprocessor):
                self._kept[module] = module.keep_pictures
                module.keep_pictures = True

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Write the pictures of a batch."""
        if not is_main_process():
            return
        for sample in outputs or ():
            if sample.img_path not in self._chosen:
                continue
            sample = sample.cpu()
            dark = _read(sample.img_path, sample.ori_shape[:2])
            panels = [dark]
            if 'enhanced' in sample:
                panels.append(enhanced_picture(sample))
            panels.append(self._predicted(runner, panels[-1], sample))
            file = self.out_dir / os.path.relpath(sample.img_path, self._root)
            if file.suffix.lower() not in WRITABLE_SUFFIXES:
                file = file.with_suffix('.png')
            file.parent.mkdir(parents=True, exist_ok=True)
            shown = np.concatenate(panels, axis=1)
            if not cv2.imwrite(str(file), shown[..., ::-1]):
                raise ValueError(f'`{file}` could not be written; choose another `out_dir`.')

    def after_test(self, runner: Runner) -> None:
        """Leave the preprocessors as they were."""
        for module, kept in self._kept.items():
            module.keep_pictures = kept
        self._kept.clear()

    def _predicted(
        self, runner: Runner, picture: np.ndarray, sample: BaseDataElement
    ) -> np.ndarray:
        draw = runner.visualizer.add_datasample
        options = {}
        if 'pred_score_thr' in inspect.signature(draw).parameters:
            options['pred_score_thr'] = self.score_thr
        # the visualizers return nothing, but write to a file what they have drawn
        with TemporaryDirectory() as folder:
            file = os.path.join(folder, 'drawn.bmp')
            draw('test', picture, sample, draw_gt=self.draw_gt, out_file=file, **options)
            return cv2.imread(file)[..., ::-1]


def enhanced_picture(sample: BaseDataElement) -> np.ndarray:
    """The lit picture of a sample in the original size.

    Args:
        sample: With ``enhanced`` and ``ori_shape``; padding beyond ``scale_factor`` is cut off, and what
            the pipeline mirrored is mirrored back.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    picture = sample.enhanced.data.permute(1, 2, 0).numpy()
    height, width = sample.ori_shape[:2]
    across, down = sample.get('scale_factor', (1.0, 1.0))
    # mm's pipelines pad last, to the right and below
    picture = picture[: max(round(height * down), 1), : max(round(width * across), 1)]
    if sample.get('flip'):
        axes = dict(horizontal=1, vertical=0, diagonal=(0, 1))
        picture = np.flip(picture, axes[sample.flip_direction])
    method = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=method)


def _read(path: str, size: tuple[int, int]) -> np.ndarray:
    """A picture as the pipeline read it: (H, W, 3) uint8 RGB of that size."""
    data = np.frombuffer(get(path), np.uint8)
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION):
        picture = cv2.imdecode(data, flags)
        if picture is not None and picture.shape[:2] == tuple(size):
            return picture[..., ::-1]
    raise ValueError(
        f'`{path}` has not the size {size[1]} × {size[0]} that the test pipeline saw; look whether the '
        'pipeline crops or turns pictures before it loads them.'
    )
