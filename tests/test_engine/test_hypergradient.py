import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from llv.engine.hypergradient import Explicit, average_gradients, hypergradient


class Smooth(nn.Module):
    """A network with smooth activations whose layers α mixes."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def draw(*shape):
            return nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype))

        self.alpha = draw(2, 3)
        self.first = nn.ParameterList([draw(4, 5) / 2 for _ in range(3)])
        self.second = nn.ParameterList([draw(5, 2) / 2 for _ in range(3)])
        self.batches = {
            name: (draw(16, 4).detach(), draw(16, 2).detach()) for name in ('train', 'valid')
        }

    def loss(self, name, weights=None):
        first, second = (self.first, self.second) if weights is None else weights
        x, target = self.batches[name]
        mix = self.alpha.softmax(dim=1)
        hidden = sum(w * torch.tanh(x @ m) for w, m in zip(mix[0], first, strict=True))
        result = sum(w * torch.sin(hidden @ m) for w, m in zip(mix[1], second, strict=True))
        return (result - target).square().mean() + 0.01 * (result**4).mean()

    @property
    def omega(self):
        return [*self.first, *self.second]

    def unrolled(self, step_size, momentum=0.0, buffers=None, weight_decay=0.0):
        """The gradient by α with the step inside the graph."""
        gradients = torch.autograd.grad(self.loss('train'), self.omega, create_graph=True)
        moved = [
            w - step_size * (g + weight_decay * w.detach() + momentum * b)
            for w, g, b in zip(self.omega, gradients, buffers or [0.0] * 6, strict=True)
        ]
        loss = self.loss('valid', (moved[:3], moved[3:]))
        return torch.autograd.grad(loss, self.alpha)[0]


def relative(found, wanted):
    return ((found - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize(
    ('dtype', 'radius', 'tolerance'), [(torch.float32, 0.01, 1e-3), (torch.float64, 1e-4, 1e-5)]
)
def test_finite_differences_come_close_to_second_derivatives(dtype, radius, tolerance):
    net = Smooth(dtype)
    buffers = [torch.full_like(w, 0.1) for w in net.omega]
    step = dict(momentum=0.9, momentum_buffers=buffers, weight_decay=0.01)

    def find(**options):
        return hypergradient(
            [net.alpha], net.omega, lambda: net.loss('train'), lambda: net.loss('valid'), 0.5,
            **step, **options,
        )  # fmt: skip

    found, exact = find(radius=radius), find(exact=True)
    assert relative(found.implicit[0], exact.implicit[0]) < tolerance
    whole = net.unrolled(0.5, 0.9, buffers, 0.01)
    assert relative(exact.total[0], whole) < (1e-5 if dtype == torch.float32 else 1e-12)
    # the second-order term is not a detail here
    assert relative(exact.direct[0], whole) > 0.05
    assert found.radius == pytest.approx(radius / _norm_of_v(net, step), rel=1e-5)
    assert exact.radius == 0


def _norm_of_v(net, step):
    """‖v‖ from the definition."""
    gradients = torch.autograd.grad(net.loss('train'), net.omega)
    moved = [
        (w - 0.5 * (g + 0.01 * w + 0.9 * b)).detach().requires_grad_()
        for w, g, b in zip(net.omega, gradients, step['momentum_buffers'], strict=True)
    ]
    v = torch.autograd.grad(net.loss('valid', (moved[:3], moved[3:])), moved)
    return torch.cat([value.flatten() for value in v]).norm().item()


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    step_size=st.floats(0.01, 1),
    momentum=st.floats(0, 0.99),
    decay=st.floats(0, 0.5),
)
def test_a_quadratic_problem_has_its_closed_form(seed, step_size, momentum, decay):
    rng = np.random.default_rng(seed)
    a, b, c, d, w, buffer = (
        torch.from_numpy(rng.normal(size=size)) for size in ((5, 5), (5, 3), 5, 3, 5, 5)
    )
    alpha = torch.from_numpy(rng.normal(size=3)).requires_grad_()
    omega = w.clone().requires_grad_()
    found = hypergradient(
        [alpha],
        [omega],
        lambda: 0.5 * omega @ a @ omega + omega @ b @ alpha,
        lambda: 0.5 * (omega - c).square().sum() + d @ alpha,
        step_size,
        momentum=momentum,
        momentum_buffers=[buffer],
        weight_decay=decay,
    )
    slope = 0.5 * (a + a.T) @ w + b @ alpha.detach()
    moved = w - step_size * (slope + decay * w + momentum * buffer)
    torch.testing.assert_close(found.direct[0], d)
    torch.testing.assert_close(found.implicit[0], b.T @ (moved - c), rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(
        found.total[0], d - step_size * b.T @ (moved - c), rtol=1e-6, atol=1e-8
    )
    assert found.validation_loss == pytest.approx(
        (0.5 * (moved - c).square().sum() + d @ alpha).item()
    )


@pytest.mark.parametrize('failing', range(5))
def test_lower_variables_are_as_before_to_the_bit(failing):
    net = Smooth(torch.float32)
    before = [w.detach().clone() for w in net.parameters()]
    calls = []

    def loss(name):
        calls.append(name)
        if len(calls) == failing + 1:
            raise RuntimeError('out of memory')
        return net.loss(name)

    def run():
        return hypergradient(
            [net.alpha], net.omega, lambda: loss('train'), lambda: loss('valid'), 0.1, momentum=0.9
        )

    if failing < 4:
        with pytest.raises(RuntimeError, match='out of memory'):
            run()
    else:
        run()
        assert calls == ['train', 'valid', 'train', 'train']
    assert all(torch.equal(w, b) for w, b in zip(net.parameters(), before, strict=True))
    assert all(w.grad is None for w in net.parameters())


def test_first_order_is_the_plain_gradient():
    net = Smooth()
    found = hypergradient([net.alpha], net.omega, None, lambda: net.loss('valid'), 0.1, order=1)
    plain = torch.autograd.grad(net.loss('valid'), net.alpha)[0]
    assert torch.equal(found.total[0], plain) and not found.implicit[0].any()
    alone = hypergradient([net.alpha], [], None, lambda: net.loss('valid'), 0.1)
    assert torch.equal(alone.total[0], plain)


def test_the_difference_may_be_that_of_another_loss():
    net = Smooth()

    def find(**options):
        return hypergradient(
            [net.alpha],
            net.omega,
            lambda: net.loss('train'),
            lambda: net.loss('valid'),
            0.1,
            **options,
        )

    doubled = find(perturbed_loss=lambda: 2 * net.loss('train'))
    torch.testing.assert_close(doubled.implicit[0], 2 * find().implicit[0])
    torch.testing.assert_close(doubled.direct[0], find().direct[0])


def test_variables_a_loss_does_not_depend_on_have_zeros():
    alpha, omega, other = (nn.Parameter(torch.ones(2)) for _ in range(3))
    found = hypergradient(
        [alpha, other], [omega, other], lambda: omega.sum(), lambda: (omega * alpha).sum(), 0.5
    )
    assert torch.equal(found.direct[0], torch.full((2,), 0.5)) and not found.direct[1].any()
    assert not found.implicit[0].any() and not found.implicit[1].any()
    flat = hypergradient([alpha], [omega], lambda: omega.sum(), lambda: alpha.sum(), 0.5)
    assert flat.radius == 0 and not flat.implicit[0].any()  # v is zero


def test_a_gradient_may_be_brought_along():
    """With it nothing is differentiated by α, and the difference needs no backward passes."""
    net = Smooth()

    def explicit(name):
        loss = net.loss(name)
        return Explicit(loss, torch.autograd.grad(loss, [net.alpha], retain_graph=True))

    def perturbed():
        found = explicit('train')
        return Explicit(found.loss.detach(), found.upper)

    def find(validation, **options):
        return hypergradient(
            [net.alpha], net.omega, lambda: net.loss('train'), validation, 0.5, **options
        )

    wanted = find(lambda: net.loss('valid'))
    found = find(lambda: explicit('valid'), perturbed_loss=perturbed)
    for name in ('direct', 'implicit', 'total'):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name))
    assert (found.radius, found.validation_loss) == (wanted.radius, wanted.validation_loss)
    first = find(lambda: explicit('valid'), order=1)
    assert torch.equal(first.total[0], torch.autograd.grad(net.loss('valid'), net.alpha)[0])
    with pytest.raises(ValueError, match='leave `exact` out'):
        find(lambda: explicit('valid'), perturbed_loss=perturbed, exact=True)


def test_the_implicit_part_may_be_left_out_where_it_makes_no_sense():
    alpha, omega = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))

    def find(validation, perturbed=None, **options):
        return hypergradient(
            [alpha], [omega], lambda: (omega * alpha).sum(), validation, 0.1,
            perturbed_loss=perturbed, **options,
        )  # fmt: skip

    def judged():
        return (omega * alpha).sum() * 1e-3

    assert find(judged).implicit[0].any()
    assert not find(judged, smallest=1e-2).implicit[0].any()
    # v is not finite, or the difference is not
    assert (
        not find(lambda: (omega - 0.9).sqrt().sum() + alpha.sum(), forgiving=True).implicit[0].any()
    )
    broken = find(judged, lambda: (omega * alpha).sum() * float('inf'), forgiving=True)
    assert not broken.implicit[0].any() and torch.equal(broken.total[0], broken.direct[0])
    assert (
        not find(judged, lambda: (omega * alpha).sum() * float('inf')).implicit[0].isfinite().any()
    )


def test_bad_calls_are_one_sentence():
    alpha, omega = (nn.Parameter(torch.ones(2)) for _ in range(2))
    with pytest.raises(ValueError, match='`order` must be 1 or 2, but got 3'):
        hypergradient([alpha], [omega], omega.sum, omega.sum, 0.1, order=3)
    with pytest.raises(ValueError, match='`upper`'):
        hypergradient([], [omega], omega.sum, omega.sum, 0.1)
    with pytest.raises(FloatingPointError, match='`step_size`'):
        hypergradient([alpha], [omega], omega.sum, lambda: (omega - 0.9).log().sum(), 0.1)
    assert torch.equal(omega, torch.ones(2))


def _rank(rank, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    net = Smooth()
    x, target = net.batches['train']
    half = slice(rank * 8, rank * 8 + 8)
    net.batches = {name: (x[half], t[half]) for name, (x, t) in net.batches.items()}
    found = hypergradient(
        [net.alpha], net.omega, lambda: net.loss('train'), lambda: net.loss('valid'), 0.1
    )
    shared = torch.ones(2).expand(3, 2)  # a view, and the same tensor twice
    means = average_gradients([shared * (rank + 1), shared, shared, torch.ones(1).double()])
    torch.save((found.total, means), f'{folder}/{rank}.pth')
    torch.distributed.destroy_process_group()


def test_two_processes_share_their_gradients(tmp_path):
    mp.spawn(_rank, (str(tmp_path),), nprocs=2)
    (first, means), (second, _) = (torch.load(tmp_path / f'{rank}.pth') for rank in (0, 1))
    assert torch.equal(first[0], second[0])
    net = Smooth()
    whole = hypergradient(
        [net.alpha], net.omega, lambda: net.loss('train'), lambda: net.loss('valid'), 0.1
    )
    torch.testing.assert_close(first[0], whole.total[0], rtol=1e-6, atol=1e-9)
    assert [mean.unique().item() for mean in means] == [1.5, 1, 1, 1]
    assert means[3].dtype == torch.float64
