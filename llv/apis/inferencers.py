"""Enhancers where users of mm packages look for them: as an inferencer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.infer import BaseInferencer
from mmengine.structures import BaseDataElement, PixelData
from mmengine.visualization import Visualizer
from rich.progress import track
from torch import nn

from llv.utils.grouping import group_by_size
from llv.utils.pictures import (
    PHOTOGRAPH_SUFFIXES,
    WRITABLE_SUFFIXES,
    read_photograph,
    to_rgb,
    to_tensor,
    to_uint8,
    write_picture,
)
from llv.visualization.maps import MAPS, choose_map, map_picture, with_caption

from .enhancers import enhancer_config, init_enhancer
from .inference import check_finite, to_device_of

Input = str | os.PathLike | np.ndarray
Picture = dict[str, Any]  # a loaded input: ``path`` (None for arrays) and ``image`` (H, W, 3) RGB


class EnhanceInferencer(BaseInferencer):
    """Light pictures in the shape of mmdet's and mmseg's inferencers; needs neither of them.

    Arrays are BGR, as for those: what ``cv2.imread`` returns goes in, and what ``cv2.imwrite`` takes comes out, so that
    a prediction is an input of ``DetInferencer``. Visualizations are RGB, as theirs. (:func:`llv.apis.enhance` is RGB
    throughout.)

    Example:
        >>> import numpy as np
        >>> inferencer = EnhanceInferencer('fixed_gain', gain=4.0, device='cpu', show_progress=False)
        >>> inferencer(np.full((2, 3, 3), 20, np.uint8))['predictions'][0].max()
        80

    Args:
        enhancer, weights, options: As for :func:`llv.apis.init_enhancer`; the default comes with llv.
        device: None takes the accelerator where there is one.
        show_progress: Print a bar.

    Raises:
        ValueError, FileNotFoundError: As :func:`llv.apis.init_enhancer`.
    """

    def __init__(
        self,
        enhancer: str | os.PathLike | dict = 'psenet-night-scenes',
        weights: str | os.PathLike | None = None,
        device: str | torch.device | None = None,
        show_progress: bool = True,
        **options: Any,
    ) -> None:
        self.num_arrays = 0  # names the files of arrays, which have no name
        config = enhancer_config(enhancer, weights, **options)
        super().__init__(
            dict(model=config), None, device or get_device(), 'llv', show_progress=show_progress
        )

    def __call__(
        self,
        inputs: Input | Sequence[Input],
        batch_size: int = 1,
        return_vis: bool = False,
        show: bool = False,
        wait_time: float = 0,
        no_save_vis: bool = False,
        no_save_pred: bool = False,
        return_datasamples: bool = False,
        out_dir: str | os.PathLike = '',
        maps: Sequence[str] = MAPS,
    ) -> dict[str, list]:
        """Light pictures.

        Args:
            inputs: A picture file, a folder, an array, or a list of files and arrays. Files as for
                :func:`llv.utils.pictures.read_photograph`; of a folder the pictures directly in it, by name. Arrays:
                (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16.
            batch_size: Pictures that are read together; those of one size go through the enhancer as one batch.
            return_vis: Return visualizations: dark | map | enhanced, the map with its range where there is one.
            show, wait_time: Show them in a window for so many seconds, 0 until a key is pressed.
            no_save_vis, no_save_pred: Do not write them, or the enhanced pictures, into `out_dir`.
            return_datasamples: Return data samples in the place of arrays.
            out_dir: Folder for the enhanced pictures (in ``preds``) and the visualizations (in ``vis``), under the
                names of the files; those of arrays are numbered. Empty writes nothing.
            maps: Which map to show, see :func:`llv.visualization.maps.choose_map`.

        Returns:
            ``predictions``: for each input an (s·H, s·W, 3) uint8 BGR array, or a data sample with ``enhanced``
            (PixelData, (3, s·H, s·W) uint8 RGB), the enhancer's maps of picture shape under their names, ``img_path``,
            ``ori_shape`` and ``img_shape``. ``visualization``: for each input an (s·H, n·s·W, 3) uint8 RGB array where
            `return_vis` asks for it, else empty. All of them are held in memory; ``tools/enhance.py`` holds one.

        Raises:
            PictureError: A picture is missing, damaged or of another kind.
            ValueError: The folder holds no picture, two results would become one file, a result would replace an
                input, or the enhancer returned values that are not finite.
        """
        inputs = self._inputs_to_list(inputs)
        vis_dir = Path(out_dir, 'vis') if out_dir and not no_save_vis else None
        pred_dir = Path(out_dir, 'preds') if out_dir and not no_save_pred else None
        names = self._names(inputs)
        vis_files, pred_files = _files(inputs, names, vis_dir), _files(inputs, names, pred_dir)

        chunks = self.preprocess(inputs, batch_size)
        if self.show_progress:
            chunks = track(chunks, 'Inference', total=-(-len(inputs) // batch_size))
        results: dict[str, list] = dict(predictions=[], visualization=[])
        for number, pictures in enumerate(chunks):
            part = slice(number * batch_size, number * batch_size + len(pictures))
            samples = self.forward(pictures)
            shown = self.visualize(
                pictures, samples, show, return_vis, wait_time, vis_files[part], maps
            )
            found = self.postprocess(samples, shown, return_datasamples, pred_files[part])
            for key, values in found.items():
                results[key] += values
        return results

    @torch.no_grad()
    def forward(self, inputs: list[Picture], **kwargs: Any) -> list[BaseDataElement]:
        """Light loaded pictures, those of one size as one batch."""
        images = [to_tensor(picture['image']) for picture in inputs]
        samples: list[BaseDataElement | None] = [None] * len(inputs)
        for indices in group_by_size(images):
            batch = torch.stack([images[i] for i in indices])
            enhancement = self.model(to_device_of(self.model, batch))
            check_finite(self.model, enhancement.image)
            for place, index in enumerate(indices):
                lit = torch.from_numpy(to_uint8(enhancement.image[place])).permute(2, 0, 1)
                sample = BaseDataElement(
                    metainfo=dict(
                        img_path=inputs[index]['path'],
                        ori_shape=tuple(images[index].shape[-2:]),
                        img_shape=tuple(lit.shape[-2:]),
                    )
                )
                sample.set_field(PixelData(data=lit), 'enhanced')
                for name, value in enhancement.maps.items():
                    if value.ndim == 4:
                        sample.set_field(PixelData(data=value[place]), name)
                samples[index] = sample
        return samples

    def visualize(
        self,
        inputs: list[Picture],
        preds: list[BaseDataElement],
        show: bool = False,
        return_vis: bool = False,
        wait_time: float = 0,
        vis_files: Sequence[Path | None] = (),
        maps: Sequence[str] = MAPS,
    ) -> list[np.ndarray]:
        """Dark | map | enhanced of loaded pictures and their samples; written, shown and returned as asked."""
        if not (show or return_vis or any(vis_files)):
            return []
        drawn = [_panels(p['image'], s, maps) for p, s in zip(inputs, preds, strict=True)]
        for picture, sample, file in zip(drawn, preds, vis_files, strict=True):
            if file is not None:
                write_picture(file, picture)
            if show:
                name = os.path.basename(sample.img_path or 'array')
                Visualizer().show(picture, name, wait_time)
        return drawn if return_vis else []

    def postprocess(
        self,
        preds: list[BaseDataElement],
        visualization: list[np.ndarray],
        return_datasamples: bool = False,
        pred_files: Sequence[Path | None] = (),
    ) -> dict[str, list]:
        """Write the enhanced pictures and bring them into the form that was asked for."""
        pictures = [sample.enhanced.data.permute(1, 2, 0).numpy() for sample in preds]
        for picture, file in zip(pictures, pred_files, strict=True):
            if file is not None:
                write_picture(file, picture)
        bgr = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]
        return dict(predictions=preds if return_datasamples else bgr, visualization=visualization)

    def _init_model(self, cfg: Any, weights: None, device: str = 'cpu') -> nn.Module:
        return init_enhancer(cfg.model, device=device)

    def _init_pipeline(self, cfg: Any) -> Callable[[Input], Picture]:
        return _load

    def _init_collate(self, cfg: Any) -> Callable:
        return list

    def _inputs_to_list(self, inputs: Input | Sequence[Input]) -> list[Input]:
        if isinstance(inputs, (str, os.PathLike)) and os.path.isdir(inputs):
            files = sorted(p for p in Path(inputs).iterdir() if p.is_file())
            files = [p for p in files if p.suffix.lower() in PHOTOGRAPH_SUFFIXES]
            if not files:
                raise ValueError(f'The folder `{inputs}` holds no picture; check the path.')
            return files
        if isinstance(inputs, (list, tuple)):
            return list(inputs)
        return list(inputs) if isinstance(inputs, np.ndarray) and inputs.ndim == 4 else [inputs]

    def _names(self, inputs: list[Input]) -> list[str]:
        names = []
        for one in inputs:
            if isinstance(one, (str, os.PathLike)):
                path = Path(one)
                known = path.suffix.lower() in WRITABLE_SUFFIXES
                names.append(path.name if known else f'{path.stem}.png')
            else:
                names.append(f'{self.num_arrays:08d}.png')
                self.num_arrays += 1
        return names


def _load(one: Input) -> Picture:
    if isinstance(one, (str, os.PathLike)):
        return dict(path=os.fspath(one), image=read_photograph(one))
    if isinstance(one, np.ndarray):
        image = to_rgb(one)[..., ::-1]  # checks and grey as for RGB, only that it is BGR
        return dict(path=None, image=np.ascontiguousarray(image))
    raise TypeError(f'`inputs` must be files or arrays, but got {type(one).__name__}.')


def _files(inputs: list[Input], names: list[str], folder: Path | None) -> list[Path | None]:
    """Where the result of each input goes."""
    if folder is None:
        return [None] * len(names)
    sources = {Path(one).resolve() for one in inputs if isinstance(one, (str, os.PathLike))}
    owners: dict[str, Input] = {}
    for one, name in zip(inputs, names, strict=True):
        if name in owners:
            raise ValueError(
                f'`{owners[name]}` and `{one}` would both be written to `{folder / name}`; use two calls with two '
                '`out_dir`.'
            )
        if (folder / name).resolve() in sources:
            raise ValueError(
                f'`{folder / name}` is one of the inputs and would be replaced; choose another `out_dir`.'
            )
        owners[name] = one
    return [folder / name for name in names]


def _panels(dark: np.ndarray, sample: BaseDataElement, maps: Sequence[str]) -> np.ndarray:
    if dark.dtype == np.uint16:
        dark = np.rint(dark / 257).astype(np.uint8)
    height, width = sample.img_shape
    panels = [cv2.resize(dark, (width, height), interpolation=cv2.INTER_NEAREST)]
    pixels = {name: value.data[None] for name, value in sample.items() if name != 'enhanced'}
    chosen = choose_map(pixels, maps)
    if chosen is not None:
        name, values = chosen
        shown, low, high = map_picture(values[0].permute(1, 2, 0).float().cpu().numpy())
        shown = cv2.resize(shown, (width, height), interpolation=cv2.INTER_LINEAR)
        panels.append(with_caption(shown, f'{name} {low:.3g} to {high:.3g}'))
    panels.append(sample.enhanced.data.permute(1, 2, 0).numpy())
    return np.concatenate(panels, axis=1)
