"""The alpha neuron: its formula, snnTorch's own, and the torch form against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.interop.packages import package
from delrec_compile.ops.alpha import NUMBERS, RESETS, Alpha, tau_alpha
from delrec_compile.ops.lif import FIRES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RNG = np.random.default_rng(11)
N, STEPS = 24, 120
f = np.float32


def run(neuron: Alpha, current: F32) -> tuple[F32, F32]:
    """Spikes and membranes (T, N) from a fresh start."""
    state = {name: np.zeros((1, N), np.float32) for name in neuron.states}
    spikes, membranes = [], []
    for row in current:
        s, state = neuron.reference(row[None], state)
        spikes.append(s[0])
        membranes.append(state["v"][0])
    return np.stack(spikes), np.stack(membranes)


def scalar(neuron: Alpha, k: int, current: float, *state: float) -> tuple[float, ...]:
    """The formulas of ops/alpha.py for neuron k, written out in float32."""
    alpha, beta, gain, threshold = (
        f(np.broadcast_to(getattr(neuron, name), N)[k]) for name in NUMBERS
    )
    over = (lambda x: x > threshold) if neuron.fires == "above" else (lambda x: x >= threshold)
    i_exc, i_inh, v = (f(value) for value in state)
    e, h = f(f(alpha * i_exc) + f(current)), f(f(beta * i_inh) - f(current))
    m = f(gain * f(e + h))
    if over(v):
        e, h, m = (
            (f(0), f(0), f(0))
            if neuron.reset == "hard_later"
            else (f(e - threshold), f(0), f(m + i_inh))
        )
    return float(over(m)), float(e), float(h), float(m)


@pytest.mark.parametrize("own", [False, True], ids=["one for all", "one per neuron"])
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("fires", FIRES)
def test_it_is_its_formula_and_equals_torch(fires: str, reset: str, own: bool) -> None:
    size = N if own else ()
    neuron = Alpha(
        RNG.choice([0.75, 1.0], size),
        RNG.choice([0.0, 0.25, 0.5], size),
        RNG.choice([0.75, 2.0], size),
        RNG.choice([0.5, 1.25], size),
        fires,
        reset,
    )
    # whole numbers of 1/8, so that some membranes lie on their threshold
    current, *drawn = (RNG.integers(-12, 16, (9, N)).astype(np.float32) / 8 for _ in range(4))
    state = dict(zip(neuron.states, drawn, strict=True))
    spikes, after = neuron.reference(current, state)
    for b, k in np.ndindex(9, N):
        want = scalar(neuron, k, float(current[b, k]), *(float(x[b, k]) for x in drawn))
        assert (spikes[b, k], *(x[b, k] for x in after.values())) == want
    past = {name: torch.from_numpy(value) for name, value in state.items()}
    have, new, _ = neuron.torch_form(torch.from_numpy(current), past)
    np.testing.assert_array_equal(have.numpy(), spikes)
    assert list(new) == list(after) == list(neuron.states)
    for name, value in new.items():
        np.testing.assert_array_equal(value.numpy(), after[name])
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize(
    ("mechanism", "reset"), [("zero", "hard_later"), ("subtract", "soft_later")]
)
def test_alpha_of_snntorch(mechanism: str, reset: str) -> None:
    pytest.importorskip("snntorch")
    alpha, beta = RNG.uniform(0.7, 0.95, N), RNG.uniform(0.2, 0.6, N)
    alpha, beta = alpha.astype(np.float32), beta.astype(np.float32)
    decays = torch.from_numpy(alpha), torch.from_numpy(beta)
    theirs = package("snntorch").Alpha(*decays, threshold=0.8, reset_mechanism=mechanism)
    current = RNG.normal(0.2, 0.5, (STEPS, N)).astype(np.float32)
    spikes, membranes = [], []
    state = theirs.reset_mem()
    with torch.no_grad():
        for row in current:
            s, *state = theirs(torch.from_numpy(row)[None], *state)
            spikes.append(s[0].numpy())
            membranes.append(state[2][0].numpy())
    log_a, log_b = (torch.log(x) for x in decays)
    gain = (log_a / (log_b - log_a) + 1).numpy()
    np.testing.assert_allclose(tau_alpha(alpha, beta), gain, rtol=1e-6)
    have, v = run(Alpha(alpha, beta, gain, 0.8, reset=reset), current)
    np.testing.assert_array_equal(have, np.stack(spikes))
    np.testing.assert_array_equal(v, np.stack(membranes))
    assert 0.05 < have.mean() < 0.7


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf, 2e30])
@pytest.mark.parametrize("where", ["current", "i_exc", "i_inh", "v"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_broken_heals_at_once(where: str, fault: float, reset: str) -> None:
    neuron = Alpha(0.9, 0.8, 1e-4, reset=reset)
    parts = {name: np.zeros((1, N), np.float32) for name in ("current", *neuron.states)}
    parts[where][:] = fault
    _, state = neuron.reference(parts.pop("current"), parts)
    for value in state.values():
        assert np.abs(value).max() <= 1e30


def test_attributes_and_arrays_rebuild_it() -> None:
    neuron = Alpha([0.75, 0.5], 0.25, 2.0, [1.0, 3.0], reset="soft_later")
    again = Alpha(**neuron.attributes(), **neuron.arrays())
    assert again.attributes() == neuron.attributes()
    assert again.arrays().keys() == neuron.arrays().keys()
    assert neuron.rheobase == 0.5
    assert tau_alpha(0.5, 0.0) == 1.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"beta": 0.5}, "alpha: 0 <= beta < alpha <= 1 is required"),
        ({"alpha": 1.5}, "alpha: 0 <= beta < alpha <= 1 is required"),
        ({"gain": 0.0}, "alpha: gain is 0.0; a positive number is required"),
        ({"threshold": [1.0, 0.0]}, "alpha: threshold is 0.0; a positive number is required"),
        ({"reset": "hard"}, "alpha: unknown reset 'hard'; allowed: hard_later, soft_later"),
        (
            {"alpha": [0.7, 0.8], "beta": [0.1]},
            "constants of several sizes, alpha for 2, beta for 1",
        ),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Alpha(**({"alpha": 0.5, "beta": 0.25} | fields))
