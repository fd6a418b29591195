"""Whether under- and over-exposed pictures pull the weights of an enhancer the same way."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from llv.engine.gradient_agreement import RECORDS, agreement, children, read_agreement
from llv.engine.passes import fresh, undisturbed
from llv.engine.seeded_sampler import SeededFetch, SeededIndex, seeded
from llv.models.pseudo_target_model import PseudoTargetModel
from llv.registry import DATASETS, HOOKS

_BATCH_SIZE = 4
_GROUPS = ('under', 'over')


class _Gradient(NamedTuple):
    """Gradient of a group by the name of the parameter, and its mean loss, None where that is not finite."""

    gradients: dict[str, Tensor]
    loss: float | None


@HOOKS.register_module()
class GradientAgreementHook(Hook):
    """Measure the cosine between the gradients of the training loss on under- and on over-exposed pictures.

    "Learning Sample Relationship for Exposure Correction" (CVPR 2023, Section 1) starts from the claim that opposite
    exposures pull a network in opposite directions; a cosine below 0 says so, and this hook shows how it moves with and
    without the relation as regulariser. The loss is the conventional one: the term of a regulariser is left out, so
    that runs with and without it are measured alike.

    Both groups are loaded once, before training: `batches` batches each, spread evenly over their data sets, in the
    process itself. Position by position they get the same random crop and turn, in every run of the same `seed`; where
    the data sets list the same scenes, as SICE's halves do, the groups differ in nothing but the exposure. Dropout and
    other draws of the loss are the same for both groups at all times. The gradient of a group is that of its mean loss,
    in training mode and float32, also under AMP, over all trainable parameters.

    Measured before the first step, then after every `interval` steps. Training does not notice: random numbers,
    buffers, ``.grad``, modes and pending targets are as before, to the bit. In several processes all make the same
    passes over the same pictures, because layers and losses may wait for each other, and the first one writes.

    Each measurement is a line of ``gradient_agreement.jsonl`` in the work folder (see
    :func:`llv.engine.gradient_agreement.read_agreement`), and goes to the visualizer as ``gradient_agreement/cosine``,
    ``…/under_norm`` and ``…/over_norm``. A resumed run goes on behind the lines that precede its checkpoint.

    Args:
        under: Config of a data set of under-exposed pictures, or of a data loader of one (of which data set, batch size
            and ``collate_fn`` count); pairs, where the loss needs references.
        over: The same of over-exposed pictures.
        interval: Steps between two measurements.
        batches: Batches of each group, fewer where its data set is smaller.
        batch_size: Pictures a batch; None: that of the data loader's config, else 4.
        by_child: Also measure the parts of the model by themselves: the first modules at which the names of the
            trainable parameters part.
        seed: Of the random transforms of the groups and of the draws of the loss; independent of the run's.

    Raises:
        ValueError: An argument is out of range; before training, a group is empty, lacks references, or has the same
            pictures as the other, or the model has nothing to train.
    """

    # once the other losses are attached, and before the checkpoint, whose iteration is then in the file
    priority = 'LOW'

    def __init__(
        self,
        under: dict,
        over: dict,
        interval: int = 50,
        batches: int = 4,
        batch_size: int | None = None,
        by_child: bool = False,
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ('interval', interval, 1),
            ('batches', batches, 1),
            ('batch_size', batch_size, 1),
            ('seed', seed, 0),
        ):
            if value is not None and (not isinstance(value, int) or value < least):
                raise ValueError(
                    f'`{name}` must be a whole number from {least}, but got {value!r}.'
                )
        for name, config in (('under', under), ('over', over)):
            if not isinstance(config, Mapping) or not {'type', 'dataset'} & config.keys():
                raise ValueError(
                    f'`{name}` must be the config of a data set or of a data loader, but got {config!r}.'
                )
        self.groups = dict(under=under, over=over)
        self.interval = interval
        self.batches = batches
        self.batch_size = batch_size
        self.by_child = by_child
        self.seed = seed
        self._probes: dict[str, list[Any]] = {}
        self._probe = ''  # names the pictures
        self._started = False

    def before_train(self, runner: Runner) -> None:
        """Load both groups, try the loss on them, and make the file of the records ready."""
        model = _inner(runner)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise ValueError(
                '`GradientAgreementHook` has no gradient to measure because nothing in the model is trainable; remove '
                'it.'
            )
        self._probes = {name: self._load(name) for name in _GROUPS}
        digests = {name: _digest(batches) for name, batches in self._probes.items()}
        if digests['under'] == digests['over']:
            raise ValueError(
                '`under` and `over` of `GradientAgreementHook` give the same pictures; choose the groups, for example '
                'by `exposure`.'
            )
        self._probe = hashlib.sha256(''.join(digests.values()).encode()).hexdigest()[:12]
        for name, batches in self._probes.items():
            self._try(model, name, batches)
        self._started = False
        if is_main_process():
            self._start_file(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Measure what training starts with, if it is time."""
        if not self._started:
            self._started = True
            if runner.iter % self.interval == 0:
                self._measure(runner, runner.iter)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Measure where it is time."""
        if (runner.iter + 1) % self.interval == 0:
            self._measure(runner, runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Let go of the pictures."""
        self._probes = {}

    def _load(self, name: str) -> list[Any]:
        """The batches of a group."""
        config = self.groups[name]
        loader = dict(dataset=config) if 'type' in config else config
        size = self.batch_size or loader.get('batch_size', _BATCH_SIZE)
        with seeded(self.seed):  # data sets may draw, and loaders do
            dataset = _build_dataset(loader['dataset'])
            count = 0 if dataset is None else len(dataset)
            if count == 0:
                raise ValueError(
                    f'The group `{name}` of `GradientAgreementHook` is empty; check the data set it names.'
                )
            wanted = min(self.batches * size, count)
            # one key a position, so that both groups are cropped and turned alike
            indices = [
                SeededIndex(position * count // wanted, (self.seed, position))
                for position in range(wanted)
            ]
            dataset.__getitems__ = SeededFetch(dataset)
            options = {key: loader[key] for key in ('collate_fn',) if key in loader}
            probe = dict(dataset=dataset, sampler=indices, batch_size=size, num_workers=0)
            return list(Runner.build_dataloader({**probe, **options}))

    def _try(self, model: nn.Module, name: str, batches: Sequence[Any]) -> None:
        """Find out before training whether the loss can do with what the group has."""
        paired = {'reference' in sample for batch in batches for sample in _samples(batch)}
        hint = f'The pictures of the group `{name}` of `GradientAgreementHook` are unpaired'
        if len(paired) > 1:
            raise ValueError(f'{hint} in part; give all of them a reference, or none.')
        with torch.no_grad():
            try:
                self._loss(model, batches[0], 0)
            except (TypeError, ValueError) as error:
                if True in paired or 'reference' not in str(error):
                    raise
                raise ValueError(
                    f'{hint}, and the loss does not do without references ({error}); load them with '
                    '`llv.LoadReference`.'
                ) from error

    def _measure(self, runner: Runner, iteration: int) -> None:
        model = _inner(runner)
        under, over = (self._gradient(model, self._probes[name]) for name in _GROUPS)
        record = dict(
            iteration=iteration,
            **agreement(under.gradients, over.gradients),
            under_loss=under.loss,
            over_loss=over.loss,
        )
        if self.by_child:
            record['children'] = {
                child: agreement(
                    {name: under.gradients[name] for name in names},
                    {name: over.gradients[name] for name in names},
                )
                for child, names in children(list(under.gradients)).items()
            }
        record['pictures'] = self._probe
        if not is_main_process():
            return
        with Path(runner.work_dir, RECORDS).open('a', encoding='utf-8') as file:
            file.write(json.dumps(record, allow_nan=False) + '\n')
        shown = {
            f'gradient_agreement/{key}': record[key]
            for key in ('cosine', 'under_norm', 'over_norm')
            if record[key] is not None
        }
        runner.visualizer.add_scalars(shown, step=iteration)

    def _gradient(self, model: nn.Module, batches: Sequence[Any]) -> _Gradient:
        """Gradient of the mean loss of a group."""
        parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        total = sum(len(batch['inputs']) for batch in batches)
        sums = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        mean = 0.0
        for number, batch in enumerate(batches):
            loss = self._loss(model, batch, number) * (len(batch['inputs']) / total)
            mean += loss.item()
            if not loss.requires_grad:
                continue
            # not `backward`, which would add to the gradients of an accumulating optimizer and wake DDP
            found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            for gradient, part in zip(sums.values(), found, strict=True):
                if part is not None:
                    gradient += part
        return _Gradient(sums, mean if math.isfinite(mean) else None)

    def _loss(self, model: nn.Module, batch: Any, number: int) -> Tensor:
        """The conventional loss of a batch, as training has it."""
        device = next(model.parameters()).device.type
        with (
            undisturbed(model, self.seed, number),
            _training(model),
            _targets_of_its_own(model),
            _without_regularizer(model),
            torch.autocast(device, enabled=False),
        ):
            data = model.data_preprocessor(fresh(batch), True)
            losses = model._run_forward(data, mode='loss')
            return model.parse_losses(losses)[0]

    def _start_file(self, runner: Runner) -> None:
        """Leave the lines that precede this run where it is resumed, none where it is new."""
        file = Path(runner.work_dir, RECORDS)
        kept = []
        if runner.iter and file.is_file():
            kept = [r for r in read_agreement(file) if r['iteration'] < runner.iter]
            if any(record['pictures'] != self._probe for record in kept):
                raise ValueError(
                    f'`{file}` was measured on other pictures than `GradientAgreementHook` has now; give it the '
                    'groups it had, or move the file away.'
                )
        lines = ''.join(json.dumps(record, allow_nan=False) + '\n' for record in kept)
        part = file.with_name(f'{file.name}.part')
        part.write_text(lines, encoding='utf-8')
        os.replace(part, file)


def _build_dataset(config: dict) -> Any:
    """The data set, None where mmengine's own fails because it has no record."""
    try:
        dataset = DATASETS.build(config)
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    except ValueError as error:
        if 'need at least one array' not in str(error):
            raise
        return None
    return dataset


def _inner(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


@contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    """Training mode; a model that is in it keeps the parts that were taken out."""
    modes = {module: module.training for module in model.modules()}
    if not model.training:
        model.train()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _targets_of_its_own(model: nn.Module) -> Iterator[None]:
    """A model of pseudo targets trains on the batch it is given, and keeps the pair that it has for its next step."""
    if not isinstance(model, PseudoTargetModel):
        yield
        return
    kept, model.pending = model.pending, None
    try:
        yield
    finally:
        model.pending = kept


@contextmanager
def _without_regularizer(model: nn.Module) -> Iterator[None]:
    """No term of a regulariser, be it the model's own or that of an ``EnhancerLossHook``."""
    holders = [
        holder
        for holder in (model, *model._forward_hooks.values())
        if getattr(holder, 'regularizer', None) is not None
    ]
    kept = [holder.regularizer for holder in holders]
    try:
        for holder in holders:
            holder.regularizer = None
        yield
    finally:
        for holder, regularizer in zip(holders, kept, strict=True):
            holder.regularizer = regularizer


def _samples(batch: Any) -> Sequence[BaseDataElement]:
    return batch.get('data_samples') or () if isinstance(batch, Mapping) else ()


def _digest(batches: Sequence[Any]) -> str:
    """A name for pictures and references, the same for the same ones."""
    digest = hashlib.sha256()
    for batch in batches:
        references = [sample.reference.data for sample in _samples(batch) if 'reference' in sample]
        for picture in (*batch['inputs'], *references):
            digest.update(repr((tuple(picture.shape), picture.dtype)).encode())
            digest.update(np.ascontiguousarray(picture.numpy()).tobytes())
    return digest.hexdigest()
