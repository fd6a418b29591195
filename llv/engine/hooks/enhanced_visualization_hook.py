"""What the model was shown and what it made of it: dark picture, map, lit picture and prediction side by side."""

from __future__ import annotations

import inspect
import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from mmengine.dist import get_world_size, is_main_process
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner
from mmengine.structures import BaseDataElement
from torch.utils.data import DataLoader

from llv.registry import HOOKS
from llv.utils.pictures import WRITABLE_SUFFIXES
from llv.visualization.lit_pictures import LitPicture, LitPictures
from llv.visualization.maps import MAPS, map_picture, with_caption

_COUNT = 8  # backends keep every picture of every validation


@HOOKS.register_module()
class EnhancedVisualizationHook(Hook):
    """Show pictures of each validation and test as dark | map | enhanced | prediction.

    The map and the enhanced picture are there where the model has an enhancer, and the map where that has one that can
    be shown. All panels have the size of the original picture, whatever the pipeline and the enhancer did to it, so
    that boxes and label maps, which are in original coordinates, lie where they belong. The prediction is drawn by the
    runner's visualizer (mmdet's or mmseg's), on the enhanced picture where there is one.

    Without `out_dir` the pictures go to all backends of the visualizer (local files, TensorBoard, …) as ``val_<name>``
    and ``test_<name>`` at the training iteration, 0 without training: the same pictures in each validation, so that
    their change can be followed. With `out_dir` they are files instead, those of a validation in ``val_<iteration>/``.

    In several processes the first one shows its share; the others do nothing. Lit pictures are kept for one batch and
    do not enter the data samples.

    Args:
        out_dir: Folder for files; in it they keep their names, and their folders where they come from several. None
            gives the pictures to the backends.
        score_thr: Instances are drawn from this score on.
        draw_gt: Put the ground truth between the enhanced picture and the prediction; the pipeline must load
            annotations.
        count: Show only so many pictures, spread evenly over the set; None for all in a test with `out_dir`, and for
            8 otherwise.
        interval: Show every so many-th validation, beginning with the first.
        maps: Names of maps of the enhancer; the first that it has is shown, one channel by colours and three as a
            picture, with its name and range. ``()`` for none.

    Raises:
        ValueError: `count` or `interval` is below 1; at the start of training or testing if the visualizer draws no
            predictions or has no backend to give them to, or `out_dir` is the folder of the pictures; later if a
            picture has another size than the pipeline saw.
    """

    priority = 'LOW'

    def __init__(
        self,
        out_dir: str | os.PathLike | None = None,
        score_thr: float = 0.3,
        draw_gt: bool = False,
        count: int | None = None,
        interval: int = 1,
        maps: Sequence[str] = MAPS,
    ) -> None:
        for name, value in (('count', count), ('interval', interval)):
            if value is not None and value < 1:
                raise ValueError(f'`{name}` must be at least 1, but got {value!r}.')
        self.out_dir = None if out_dir is None else Path(out_dir)
        self.score_thr = score_thr
        self.draw_gt = draw_gt
        self.count = count
        self.interval = interval
        self.maps = (maps,) if isinstance(maps, str) else tuple(maps)
        self._validations = 0
        self._lit: LitPictures | None = None  # only while a pass is shown

    def before_train(self, runner: Runner) -> None:
        """Find out before the first hours that nothing could be drawn."""
        self._check(runner)

    def before_val(self, runner: Runner) -> None:
        """Begin to look at every `interval`-th validation."""
        if self._validations % self.interval == 0:
            self._start(runner, 'val', runner.val_dataloader)
        self._validations += 1

    def before_test(self, runner: Runner) -> None:
        """Begin to look."""
        self._start(runner, 'test', runner.test_dataloader)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Choose among the pictures of a batch."""
        if self._lit is not None:
            ahead = {place - self._seen for place in self._places}
            self._lit.next_batch(ahead & set(range(self._batch)))

    before_test_iter = before_val_iter

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[BaseDataElement] | None = None,
    ) -> None:
        """Show the chosen pictures of a batch."""
        if self._lit is None:
            return
        for place, sample in enumerate(outputs or ()):
            if self._seen + place in self._places:
                self._keep(runner, sample, self._panels(runner, sample, self._lit.found.get(place)))
        self._seen += len(outputs or ())

    after_test_iter = after_val_iter

    def after_val(self, runner: Runner) -> None:
        """Leave the model as it was."""
        if self._lit is not None:
            self._lit.stop()
            self._lit = None

    after_test = after_val

    def _check(self, runner: Runner) -> None:
        visualizer = runner.visualizer
        if 'out_file' not in inspect.signature(visualizer.add_datasample).parameters:
            raise ValueError(
                f'`{type(visualizer).__name__}` draws no predictions; set `visualizer` to '
                '`mmdet.DetLocalVisualizer` or `mmseg.SegLocalVisualizer`.'
            )
        if self.out_dir is None and not visualizer._vis_backends:
            raise ValueError(
                'The `visualizer` has no `vis_backends` that would keep the pictures; give it one, such as '
                "`dict(type='LocalVisBackend')`, or give the hook an `out_dir`."
            )

    def _start(self, runner: Runner, phase: str, loader: DataLoader) -> None:
        self._check(runner)
        if not is_main_process():
            return
        share = math.ceil(len(loader.dataset) / get_world_size())
        every = phase == 'test' and self.out_dir is not None
        count = self.count or (share if every else _COUNT)
        spread = np.linspace(0, share - 1, min(count, share)).round().astype(int)
        self._places, self._seen = set(spread.tolist()), 0
        self._batch = loader.batch_size or share
        self._phase, self._names = phase, Counter()
        if self.out_dir is not None:
            paths = [
                loader.dataset.get_data_info(i)['img_path'] for i in range(len(loader.dataset))
            ]
            self._root = os.path.commonpath({os.path.dirname(path) for path in paths})
            if self.out_dir.resolve() == Path(self._root).resolve():
                raise ValueError(
                    f'`{self.out_dir}` holds the {phase} pictures themselves; choose another `out_dir`.'
                )
        self._lit = LitPictures(runner.model, self.maps)
        self._lit.start()

    def _panels(
        self, runner: Runner, sample: BaseDataElement, lit: LitPicture | None
    ) -> list[np.ndarray]:
        panels = [_read(sample.img_path, sample.ori_shape[:2])]
        if lit is not None:
            if lit.values is not None:
                shown, low, high = map_picture(lit.values)
                panels.append(with_caption(shown, f'{lit.name} {low:.3g} to {high:.3g}'))
            panels.append(lit.picture)
        panels.append(self._predicted(runner, panels[-1], sample.cpu()))
        return panels

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
            draw('drawn', picture, sample, draw_gt=self.draw_gt, out_file=file, **options)
            return cv2.imread(file)[..., ::-1]

    def _keep(self, runner: Runner, sample: BaseDataElement, panels: list[np.ndarray]) -> None:
        shown = np.ascontiguousarray(np.concatenate(panels, axis=1))
        if self.out_dir is None:
            # no folders: local backends make a file name of it
            name = f'{self._phase}_{Path(sample.img_path).stem}'
            self._names[name] += 1
            again = f'-{self._names[name]}' if self._names[name] > 1 else ''
            runner.visualizer.add_image(name + again, shown, _iteration(runner))
            return
        val = self._phase == 'val'
        folder = self.out_dir / f'val_{_iteration(runner)}' if val else self.out_dir
        file = folder / os.path.relpath(sample.img_path, self._root)
        if file.suffix.lower() not in WRITABLE_SUFFIXES:
            file = file.with_suffix('.png')
        file.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(file), shown[..., ::-1]):
            raise ValueError(f'`{file}` could not be written; choose another `out_dir`.')


def _iteration(runner: Runner) -> int:
    # asked for it, a runner that only tests would build its training set
    return runner.iter if isinstance(runner._train_loop, BaseLoop) else 0


def _read(path: str, size: tuple[int, int]) -> np.ndarray:
    """A picture as the pipeline read it: (H, W, 3) uint8 RGB of that size."""
    data = np.frombuffer(get(path), np.uint8)
    for flags in (cv2.IMREAD_COLOR, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION):
        picture = cv2.imdecode(data, flags)
        if picture is not None and picture.shape[:2] == tuple(size):
            return picture[..., ::-1]
    raise ValueError(
        f'`{path}` has not the size {size[1]} × {size[0]} that the pipeline saw; look whether it crops or turns '
        'pictures before it loads them.'
    )
