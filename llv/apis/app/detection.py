"""Detectors of mmdet behind the page: loaded once, run on a picture as it is and behind an enhancer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import nn

from llv.apis.plug import plug_enhancer
from llv.models.enhancers.base import BaseEnhancer
from llv.utils.checkpoint import load_state_dict, use_weights_only_loading
from llv.utils.config import load_config
from llv.utils.environment import missing_for


@dataclass(frozen=True)
class Found:
    """One detected object.

    Attributes:
        corners: x1, y1, x2, y2 in pixels of the picture.
        index, name: Of its class.
        score: In [0, 1].
    """

    corners: tuple[float, float, float, float]
    index: int
    name: str
    score: float


@dataclass
class Detector:
    """A detector of mmdet whose data preprocessor has a place for an enhancer.

    Attributes:
        name: File name of its config.
        model: What mmdet's ``init_detector`` returns.
    """

    name: str
    model: nn.Module
    _without: BaseEnhancer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._without = self.model.data_preprocessor.enhancer

    def find(
        self, picture: np.ndarray, enhancer: BaseEnhancer | None = None, score: float = 0.3
    ) -> list[Found]:
        """Detect objects.

        The enhancer lights what the test pipeline of the detector hands on, after its resizing, as in a config that
        :func:`llv.apis.plug_enhancer` made.

        Args:
            picture: (H, W, 3) RGB uint8.
            enhancer: On the device of the detector; None runs the detector as it is.
            score: Lowest score of what is returned.

        Returns:
            What was found, in mmdet's order, corners in pixels of `picture`.
        """
        from mmdet.apis import inference_detector

        self.model.data_preprocessor.enhancer = self._without if enhancer is None else enhancer
        try:
            sample = inference_detector(self.model, np.ascontiguousarray(picture[..., ::-1]))
        finally:
            self.model.data_preprocessor.enhancer = self._without
        kept = sample.pred_instances[sample.pred_instances.scores >= score].cpu()
        names = self.model.dataset_meta['classes']
        return [
            Found(tuple(corners), index, names[index], value)
            for corners, index, value in zip(
                kept.bboxes.tolist(), kept.labels.tolist(), kept.scores.tolist(), strict=True
            )
        ]


def load_detector(config: str, checkpoint: str, device: str = 'cpu') -> Detector:
    """Load a detector.

    Args:
        config: Config of an mmdet model without an enhancer: a file, or ``package::folder/file.py``.
        checkpoint: Its weights; opened weights-only.
        device: Where it runs.

    Raises:
        ValueError: The config is no detector's or has no place for an enhancer, or the file is damaged or belongs to
            another network.
        FileNotFoundError: One of both is not there.
        ModuleNotFoundError: mmdet is missing.
    """
    cfg = load_config(config)
    if cfg.get('default_scope', 'mmdet') != 'mmdet' or cfg.get('test_dataloader') is None:
        raise ValueError(
            f'`{config}` is no config of an mmdet detector with a `test_dataloader`; give the one that it was trained '
            'with.'
        )
    tensors = load_state_dict(checkpoint)
    if missing := missing_for('mmdet'):
        raise ModuleNotFoundError(missing, name='mmdet')
    from mmdet.apis import init_detector

    use_weights_only_loading()
    # `Identity` is bit-equal to the detector alone, and holds the place
    model = init_detector(
        plug_enhancer(cfg, 'identity', frozen=True), str(checkpoint), device=device
    )
    names = {name.removeprefix('module.'): value.shape for name, value in tensors.items()}
    wrong = [n for n, value in model.named_parameters() if names.get(n) != value.shape]
    if wrong:
        # mmengine would go on with random numbers in their place
        raise ValueError(
            f'`{checkpoint}` holds the weights of another network than `{config}`: {len(wrong)} tensors are missing or '
            f'of another shape (first: `{wrong[0]}`); give the pair that belongs together.'
        )
    return Detector(Path(config).name, model)
