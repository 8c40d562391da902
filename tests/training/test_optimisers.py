"""One update of a training: what a gradient may do to weights and delays."""

from __future__ import annotations

import pytest
import torch
from fixtures.training import run, small
from helpers import refusal
from torch import Tensor

from delrec_compile.errors import DeviceError, UsageError
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.model import SpikingNet
from delrec_compile.training.optimisers import Optimisers


def made(**options: object) -> tuple[SpikingNet, Optimisers]:
    torch.manual_seed(0)
    config = TrainConfig(hidden=8, epochs=1000, **options)  # type: ignore[arg-type]
    net = SpikingNet(4, 3, config)
    return net, Optimisers(net, config, 1)


def pulled(net: SpikingNet, by: float) -> Tensor:
    """A loss whose gradient is `by` for each weight and delay."""
    parameters = [*net.weights(), *net.timing()]
    return torch.stack([(by * p).sum() for p in parameters]).sum()


@pytest.mark.parametrize("of", ["weights", "delays"])
def test_a_gradient_that_is_not_finite_moves_nothing(of: str) -> None:
    net, optimisers = made()
    chosen = net.weights()[0] if of == "weights" else net.timing()[0]
    before = {name: p.clone() for name, p in net.named_parameters()}
    loss = ((chosen - chosen.detach()) * 1e30 * 1e30).sum() + pulled(net, 0.01)
    assert not optimisers.step(loss)
    for name, p in net.named_parameters():
        assert torch.equal(p, before[name])
    assert optimisers.step(pulled(net, 0.01))


def test_delays_go_on_learning_after_an_outlier() -> None:
    moved = []
    for outlier in (0.1, 1e6):
        net, optimisers = made(delay_lr=0.01)
        assert optimisers.step(pulled(net, outlier))
        start = net.timing()[0].detach().clone()
        for _ in range(100):
            assert optimisers.step(pulled(net, 0.1))
        moved.append((net.timing()[0] - start).abs().mean().item())
    assert moved[0] > 0.5
    assert moved[1] > 0.5 * moved[0]


def test_delays_that_wait_do_not_move() -> None:
    net, optimisers = made(delays_from=2)
    start = net.timing()[0].detach().clone()
    for waits in (True, True, False):
        assert optimisers.step(pulled(net, 0.01))
        assert torch.equal(net.timing()[0], start) == waits


def test_delays_wait_for_their_epoch() -> None:
    torch.manual_seed(0)
    config = small(delays_from=1, delay_lr=0.5)
    net = SpikingNet(12, 3, config)
    optimisers, (recurrence,) = Optimisers(net, config, batches=2), net.recurrences()
    x = torch.rand(20, 8, 12)
    moved = []
    for _ in range(3):
        before = recurrence.delay.detach().clone()
        net.spread_to(2.0)
        assert optimisers.step(net(x).square().mean())
        moved.append(bool((recurrence.delay != before).any()))
    assert moved == [False, False, True]


@pytest.mark.parametrize(("schedule", "ends"), [("onecycle", 0), ("cosine", 0), ("constant", 1)])
def test_schedules(schedule: str, ends: float) -> None:
    config = small(schedule=schedule, epochs=5, lr=0.01, recurrence="none")
    net = SpikingNet(12, 3, config)
    optimisers, rates = Optimisers(net, config, batches=2), []
    for _ in range(10):
        rates.append(optimisers.parts[0][0].param_groups[0]["lr"])
        optimisers.step(net(torch.rand(20, 8, 12)).square().mean())
    assert max(rates) == pytest.approx(0.01, rel=0.1)
    assert rates[-1] < 0.01 * 0.3 if ends == 0 else rates == [0.01] * 10
    assert (rates[0] < 0.001) == (schedule == "onecycle")


def test_a_device_that_is_not_there_is_refused() -> None:
    with refusal(UsageError, "device is 'gpu', which torch does not know", 2):
        run(device="gpu")
    with refusal(DeviceError, "device is 'cuda:99', which this torch cannot use", 8):
        run(device="cuda:99")


def test_learned_constants_stay_in_their_range() -> None:
    net, optimisers = made(neuron="cuba_lif", constants="learned", lr=5.0, schedule="constant")
    own = [p for name, p in net.named_parameters() if ".constants." in name]
    assert len(own) == 4
    for _ in range(2):
        assert optimisers.step(pulled(net, -0.01))
        assert all(p.max() <= 1 and p.min() >= 0 for p in own)
    assert any((p == 1).all() for p in own)
