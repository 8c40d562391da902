"""The adaptive threshold neuron against its formula in loops, its papers' code, and Norse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from delrec_compile.errors import NetworkError
from delrec_compile.ops.alif import NUMBERS, RESETS, Alif
from delrec_compile.ops.threshold_onnx import FIRES

RNG = np.random.default_rng(11)


def spikes_of(neuron: Alif, currents: np.ndarray) -> np.ndarray:
    """Spikes (T, N) of currents (T, N) from a fresh start."""
    n = currents.shape[1]
    state = {name: np.zeros((1, n), np.float32) for name in neuron.states}
    out = []
    for current in currents.astype(np.float32):
        s, state = neuron.reference(current[None], state)
        out.append(s[0])
    return np.stack(out)


def scalar_alif(neuron: Alif, k: int, current: float, v: float, a: float) -> tuple[float, ...]:
    """The formulas of ops/alif.py for neuron k, written out in float32: spike, v, a."""
    f = np.float32
    beta, rho, jump, threshold, v_reset, gain = (
        f(np.broadcast_to(getattr(neuron, name), 40)[k]) for name in NUMBERS
    )
    over = (lambda x, y: x > y) if neuron.fires == "above" else (lambda x, y: x >= y)
    fired = over(f(v), f(threshold + f(a)))
    raised = f(f(rho * f(a)) + (jump if fired else f(0)))
    level = f(threshold + raised)
    kept = v_reset if fired and neuron.reset == "hard" else f(v)
    m = f(f(beta * kept) + f(gain * f(current)))
    if fired and neuron.reset != "hard":
        m = f(m - (level if neuron.reset == "adapted" else threshold))
    return float(over(m, level)), float(m), float(raised)


@pytest.mark.parametrize("own", [False, True], ids=["one for all", "one per neuron"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("fires", FIRES)
def test_every_form_is_its_formula_and_equals_torch(fires: str, reset: str, own: bool) -> None:
    n = 40
    size = n if own else ()
    draw: Any = RNG.choice
    neuron = Alif(
        draw([0.0, 0.25, 0.9, 1.0] if own else [0.25, 0.9], size),
        draw([0.0, 0.5, 0.97, 1.0] if own else [0.5, 0.97], size),
        draw([0.25, 0.5], size),
        draw([0.5, 1.25], size),
        draw([0.0, -0.5], size),
        draw([0.75, 1.0], size),
        fires=fires,
        reset=reset,
    )
    # whole numbers of 1/8, so that some membranes lie on their level
    current, v, a = (RNG.integers(lo, 16, (30, n)).astype(np.float32) / 8 for lo in (-12, -12, 0))
    spikes, after = neuron.reference(current, {"v": v, "a": a})
    for b, k in np.ndindex(30, n):
        want = scalar_alif(neuron, k, float(current[b, k]), float(v[b, k]), float(a[b, k]))
        assert (spikes[b, k], after["v"][b, k], after["a"][b, k]) == want
    state = {"v": torch.from_numpy(v), "a": torch.from_numpy(a)}
    have, new, _ = neuron.torch_form(torch.from_numpy(current), state)
    np.testing.assert_array_equal(have.numpy(), spikes)
    for name, value in after.items():
        np.testing.assert_array_equal(new[name].numpy(), value)
    assert 0 < spikes.mean() < 1


def bellec_2018(current: np.ndarray, alpha: float, rho: float, beta: float) -> np.ndarray:
    """Of an LSNN: b' = rho b + (1 - rho) z,  B = 1 + beta b',  V' = alpha V + (1 - alpha) I - z B."""
    v = b = z = np.zeros(current.shape[1])
    out = []
    for x in current.astype(np.float64):
        b = rho * b + (1 - rho) * z
        level = 1 + beta * b
        v = alpha * v + (1 - alpha) * x - z * level
        z = (v > level).astype(np.float64)
        out.append(z)
    return np.stack(out)


def bellec_2020(current: np.ndarray, alpha: float, rho: float, beta: float) -> np.ndarray:
    """Spikes of e-prop's neuron: v' = alpha v + I - z,  a' = rho a + z,  z = v > 1 + beta a."""
    v = a = z = np.zeros(current.shape[1])
    out = []
    for x in current.astype(np.float64):
        a = rho * a + z
        v = alpha * v + x - z
        z = (v > 1 + beta * a).astype(np.float64)
        out.append(z)
    return np.stack(out)


def test_it_is_the_neuron_of_both_papers() -> None:
    current = RNG.normal(0.4, 1.5, (80, 20)).astype(np.float32)
    alpha, rho, beta = 0.9, 0.95, 1.8
    lsnn = Alif(alpha, rho, beta * (1 - rho), gain=1 - alpha, fires="above", reset="adapted")
    strong = 10 * current
    np.testing.assert_array_equal(spikes_of(lsnn, strong), bellec_2018(strong, alpha, rho, beta))
    assert 0.02 < spikes_of(lsnn, strong).mean() < 0.5
    eprop = Alif(alpha, rho, 0.3, fires="above", reset="base")
    np.testing.assert_array_equal(spikes_of(eprop, current), bellec_2020(current, alpha, rho, 0.3))
    assert 0.02 < spikes_of(eprop, current).mean() < 0.5


def test_it_is_norse_s_lsnn_whose_current_comes_a_step_later() -> None:
    functional = pytest.importorskip("norse.torch.functional.lsnn")
    # the synaptic current is gone after a step: dt * tau_syn_inv = 1
    p = functional.LSNNParameters(
        tau_syn_inv=torch.as_tensor(1000.0),
        tau_mem_inv=torch.as_tensor(125.0),
        tau_adapt_inv=torch.as_tensor(62.5),
        v_reset=torch.as_tensor(-0.25),
        beta=torch.as_tensor(0.5),
    )
    rho, beta = 1 - 0.0625, 1 - 0.125
    neuron = Alif(beta, rho, rho * 0.5, 1.0, -0.25, 0.125, fires="above")
    current = RNG.normal(4, 12, (100, 30)).astype(np.float32)
    zero = torch.zeros(30)
    state = functional.LSNNFeedForwardState(v=zero, i=zero, b=p.v_th)
    want = []
    for x in current:
        z, state = functional.lsnn_feed_forward_step(torch.from_numpy(x), state, p)
        want.append(z.numpy())
    have = spikes_of(neuron, current)
    np.testing.assert_array_equal(have[:-1], np.stack(want)[1:])
    assert 0.05 < have.mean() < 0.5


def test_a_threshold_cannot_fall_with_spikes() -> None:
    with pytest.raises(NetworkError, match=r"alif: jump is -0\.5; 0 or more is required"):
        Alif(0.5, 0.5, -0.5)
