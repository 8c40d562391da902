"""The neuron with an adaptation current against its formula in loops, its papers' code, and Norse."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from delrec_compile.ops.adlif import NUMBERS, ORDERS, RESETS, Adlif
from delrec_compile.ops.threshold_onnx import FIRES

RNG = np.random.default_rng(11)
ALPHA, RHO, A, B = 0.9, 0.97, 0.5, 1.2


def spikes_of(neuron: Adlif, currents: np.ndarray) -> np.ndarray:
    """Spikes (T, N) of currents (T, N) from a fresh start."""
    n = currents.shape[1]
    state = {name: np.zeros((1, n), np.float32) for name in neuron.states}
    out = []
    for current in currents.astype(np.float32):
        s, state = neuron.reference(current[None], state)
        out.append(s[0])
    return np.stack(out)


def scalar_adlif(neuron: Adlif, k: int, current: float, v: float, w: float) -> tuple[float, ...]:
    """The formulas of ops/adlif.py for neuron k, written out in float32: spike, v, w."""
    f = np.float32
    beta, rho, a, b, threshold, v_reset, gain = (
        f(np.broadcast_to(getattr(neuron, name), 40)[k]) for name in NUMBERS
    )
    over = (lambda x: x > threshold) if neuron.fires == "above" else (lambda x: x >= threshold)
    fired, r = over(f(v)), f(v)
    if fired:
        r = v_reset if neuron.reset == "hard" else f(r - threshold)
    coupled = f(a * (f(v) if neuron.order == "unreset" else r))
    after = f(f(f(rho * f(w)) + coupled) + (b if fired else f(0)))
    drive = f(f(current) - (f(w) if neuron.order == "euler" else after))
    m = f(f(beta * r) + f(gain * drive))
    return float(over(m)), float(m), float(after)


@pytest.mark.parametrize("own", [False, True], ids=["one for all", "one per neuron"])
@pytest.mark.parametrize(("fires", "reset", "order"), list(product(FIRES, RESETS, ORDERS)))
def test_every_form_is_its_formula_and_equals_torch(
    fires: str, reset: str, order: str, own: bool
) -> None:
    n = 40
    size = n if own else ()
    draw: Any = RNG.choice
    neuron = Adlif(
        draw([0.0, 0.25, 0.9, 1.0] if own else [0.25, 0.9], size),
        draw([0.0, 0.5, 0.97, 1.0] if own else [0.5, 0.97], size),
        draw([-0.5, 0.25], size),
        draw([0.0, 0.5], size),
        draw([0.5, 1.25], size),
        draw([0.0, -0.5], size),
        draw([0.75, 1.0], size),
        fires=fires,
        reset=reset,
        order=order,
    )
    # whole numbers of 1/8, so that some membranes lie on their threshold
    current, v, w = (RNG.integers(-12, 16, (30, n)).astype(np.float32) / 8 for _ in range(3))
    spikes, after = neuron.reference(current, {"v": v, "w": w})
    for b, k in np.ndindex(30, n):
        want = scalar_adlif(neuron, k, float(current[b, k]), float(v[b, k]), float(w[b, k]))
        assert (spikes[b, k], after["v"][b, k], after["w"][b, k]) == want
    state = {"v": torch.from_numpy(v), "w": torch.from_numpy(w)}
    have, new, _ = neuron.torch_form(torch.from_numpy(current), state)
    np.testing.assert_array_equal(have.numpy(), spikes)
    for name, value in after.items():
        np.testing.assert_array_equal(new[name].numpy(), value)
    assert 0 < spikes.mean() < 1


def bittar(current: np.ndarray) -> np.ndarray:
    """Spikes of Bittar & Garner 2022, eq. 6 to 8, as their code has them, from a rested start."""
    u = w = s = np.zeros(current.shape[1])
    out = []
    for x in current.astype(np.float64):
        w = RHO * w + A * u + B * s
        u = ALPHA * (u - s) + (1 - ALPHA) * (x - w)
        s = (u > 1).astype(np.float64)
        out.append(s)
    return np.stack(out)


def baronig(current: np.ndarray, symplectic: bool) -> np.ndarray:
    """Spikes of Baronig et al. 2024: SE-adLIF, or EF-adLIF. Fires at the threshold, resets to 0."""
    u = w = s = np.zeros(current.shape[1])
    out = []
    for x in current.astype(np.float64):
        m = ALPHA * u + (1 - ALPHA) * (x - w)
        fired = (m >= 1).astype(np.float64)
        new = m * (1 - fired)
        w = RHO * w + (1 - RHO) * (A * new + B * fired if symplectic else A * u + B * s)
        u, s = new, fired
        out.append(s)
    return np.stack(out)


def test_it_is_the_neuron_of_the_papers() -> None:
    current = RNG.normal(8, 20, (100, 30)).astype(np.float32)
    sparch = Adlif(ALPHA, RHO, A, B, gain=1 - ALPHA, fires="above", reset="soft", order="unreset")
    np.testing.assert_array_equal(spikes_of(sparch, current), bittar(current))
    assert 0.02 < spikes_of(sparch, current).mean() < 0.5
    for order in ("symplectic", "euler"):
        neuron = Adlif(ALPHA, RHO, (1 - RHO) * A, (1 - RHO) * B, gain=1 - ALPHA, order=order)
        have = spikes_of(neuron, current)
        np.testing.assert_array_equal(have, baronig(current, order == "symplectic"))
        assert 0.02 < have.mean() < 0.5


def test_the_orders_differ() -> None:
    current = RNG.normal(8, 20, (100, 30)).astype(np.float32)
    spikes = [
        spikes_of(Adlif(ALPHA, RHO, A, B, gain=1 - ALPHA, order=order), current) for order in ORDERS
    ]
    assert all((spikes[i] != spikes[k]).any() for i, k in ((0, 1), (0, 2), (1, 2)))


def test_without_coupling_it_is_norse_s_adaptive_lif_whose_current_comes_a_step_later() -> None:
    functional = pytest.importorskip("norse.torch.functional.lsnn")
    # the synaptic current is gone after a step: dt * tau_syn_inv = 1
    p = functional.LSNNParameters(
        tau_syn_inv=torch.as_tensor(1000.0),
        tau_mem_inv=torch.as_tensor(125.0),
        tau_adapt_inv=torch.as_tensor(62.5),
        beta=torch.as_tensor(2.0),
    )
    rho = 1 - 0.0625
    neuron = Adlif(0.875, rho, 0, 2.0, gain=0.125, fires="above", reset="soft")
    current = RNG.normal(4, 12, (100, 30)).astype(np.float32)
    eye, none = torch.eye(30), torch.zeros(30, 30)
    zero = torch.zeros(1, 30)
    state = functional.LSNNState(z=zero, v=zero, i=zero, b=zero)
    want = []
    for x in current:
        z, state = functional.ada_lif_step(torch.from_numpy(x)[None], state, eye, none, p)
        want.append(z[0].numpy())
    have = spikes_of(neuron, current)
    np.testing.assert_array_equal(have[:-1], np.stack(want)[1:])
    assert 0.05 < have.mean() < 0.5
