"""The quality of lit pictures, as a metric of mmengine's Runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from llv.registry import METRICS

from .measure import QUALITY_METRICS, average, by_group, check_metrics, measure
from .protocols import Protocol, get_protocol
from .scorers import Scorer, load_scorers


@METRICS.register_module()
class ImageQuality(BaseMetric):
    """Quality of the pictures that :class:`llv.models.EnhancementModel` predicts.

    Each picture is measured by itself in its own size; the figures are means over pictures. An infinite PSNR (equal
    pictures) is left out of the mean, as the authors of FECNet do, and counted as ``psnr_infinite``.

    Results are named ``quality/psnr``; with `groups` also ``quality/psnr_under`` and so on, one for each group that
    occurs, and ``quality/psnr`` stays the mean over all pictures, so larger groups weigh more (MSEC: 0.4 under + 0.6
    over). Groups that are numbers, such as RELLISUR's stops, come in their order: ``quality/psnr_-5.0`` …
    ``quality/psnr_-2.5``.

    Args:
        metric: One or more of ``psnr``, ``ssim``, ``rmse`` (nothing else needed), ``lpips``, ``fsim``, ``fsimc``,
            ``brisque`` (the extra ``metrics``), ``fsim_ism`` (``image-similarity-measures``) and ``niqe``
            (``pip install pyiqa``). Those that compare need ``llv.LoadReference`` in the test pipeline. May be empty
            where there are `scorers`.
        protocol: Name or settings of the rules, see :func:`llv.evaluation.get_protocol`. Figures of two protocols must
            not be compared.
        groups: Entry of the samples' metainfo to make groups by, such as ``'exposure'``; it must be among the
            ``meta_keys`` of ``llv.PackEnhancementInputs``. None makes none.
        scorers: Further figures, name to a function from a picture, (H, W, 3) uint8 RGB, to a number, or to the text
            ``'package.module:function'``: ``dict(metaiqa='my_package.metaiqa:score')``.
        collect_device: As mmengine's ``BaseMetric``.
        prefix: As mmengine's ``BaseMetric``.
    """

    default_prefix = 'quality'

    def __init__(
        self,
        metric: str | Sequence[str] = ('psnr', 'ssim'),
        protocol: str | Mapping[str, Any] | Protocol = 'skimage',
        groups: str | None = None,
        scorers: Mapping[str, str | Scorer] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.scorers = load_scorers(scorers, taken=list(QUALITY_METRICS))
        self.metrics = check_metrics(metric) if metric or not self.scorers else ()
        self.protocol = get_protocol(protocol)
        self.groups = groups

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Measure the pictures of a batch.

        Args:
            data_batch: Not used.
            data_samples: With ``pred_image`` (data (3, H, W) float RGB in [0, 1]) and, where a metric compares,
                ``reference`` (data (3, H, W) uint8 RGB).
        """
        compares = any(QUALITY_METRICS[name].needs_reference for name in self.metrics)
        for sample in data_samples:
            name = sample.get('img_path', 'a picture')
            if 'pred_image' not in sample:
                raise ValueError(
                    '`ImageQuality` found no `pred_image` in the samples; use it with `llv.EnhancementModel`.'
                )
            reference = None
            if compares:
                if 'reference' not in sample:
                    raise ValueError(
                        f'`{name}` has no reference, which `ImageQuality` needs; give the data set a reference folder '
                        'and the test pipeline `llv.LoadReference`.'
                    )
                reference = sample['reference']['data']
                if reference.dtype == torch.uint8:
                    reference = reference.float() / 255
            group = None
            if self.groups is not None:
                if self.groups not in sample:
                    raise ValueError(
                        f'`{name}` has no `{self.groups}`, which `groups` of `ImageQuality` asks for; add it to '
                        '`meta_keys` of `llv.PackEnhancementInputs` or leave `groups` out.'
                    )
                group = sample[self.groups]
                group = group if isinstance(group, Real) else str(group)
            image = sample['pred_image']['data']
            figures = measure(image, reference, self.metrics, self.protocol, name, self.scorers)
            self.results.append((group, figures))

    def compute_metrics(self, results: list[tuple[Real | str | None, dict[str, float]]]) -> dict:
        """Means over all pictures and over the groups."""
        groups, rows = [group for group, _ in results], [row for _, row in results]
        figures, infinite = average(rows)
        if infinite:
            figures['psnr_infinite'] = infinite
        for group, members in by_group(groups, rows).items():
            means, _ = average(members)
            figures.update({f'{name}_{group}': value for name, value in means.items()})
        print_log(f'Image quality by the protocol {self.protocol}.', logger='current')
        return figures
