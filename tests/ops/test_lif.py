"""The LIF neuron: its reference against its formula, and the torch form against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from delrec_compile.errors import NetworkError
from delrec_compile.interop.packages import package
from delrec_compile.ops.lif import ALL_RESETS, FIRES, NUMBERS, Lif

RNG = np.random.default_rng(11)


def step(neuron: Lif, current: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and the new membrane."""
    spikes, new = neuron.reference(current, {"v": v})
    return spikes, new["v"]


def test_lif_fires_at_the_threshold_and_resets() -> None:
    neuron = Lif(0.5, threshold=0.75, v_reset=-0.25)
    v = np.array([[0.0, 0.5, 0.5, -0.25, np.nan]], np.float32)
    current = np.array([[0.75, 0.5, 0.25, 0.0, 0.0]], np.float32)
    spikes, after = step(neuron, current, v)
    assert spikes.tolist() == [[1, 1, 0, 0, 0]]
    np.testing.assert_array_equal(after, np.float32([[-0.25, -0.25, 0.5, -0.125, -0.25]]))


def test_lif_reference_equals_torch_on_any_membrane() -> None:
    neuron = Lif(0.3, threshold=1.2, v_reset=-0.1)
    current = RNG.normal(size=(50, 40)).astype(np.float32)
    v = RNG.normal(size=(50, 40)).astype(np.float32)
    spikes, after = step(neuron, current, v)
    have, new, _ = neuron.torch_form(torch.from_numpy(current), {"v": torch.from_numpy(v)})
    np.testing.assert_array_equal(have.numpy(), spikes)
    np.testing.assert_array_equal(new["v"].numpy(), after)
    assert 0 < spikes.mean() < 1


def scalar_lif(neuron: Lif, k: int, current: float, v: float) -> tuple[float, float]:
    """The formulas of ops/lif.py for neuron k, written out in float32."""
    f = np.float32
    beta, threshold, v_reset, gain = (
        f(np.broadcast_to(getattr(neuron, name), 40)[k]) for name in NUMBERS
    )
    over = (lambda x: x > threshold) if neuron.fires == "above" else (lambda x: x >= threshold)
    m = f(f(beta * f(v)) + f(gain * f(current)))
    if neuron.reset.endswith("later") and over(f(v)):
        m = f(m - threshold) if neuron.reset == "soft_later" else v_reset
    if not over(m) or neuron.reset.endswith("later"):
        return float(over(m)), float(m)
    return 1.0, float(f(m - threshold) if neuron.reset == "soft" else v_reset)


@pytest.mark.parametrize("own", [False, True], ids=["one for all", "one per neuron"])
@pytest.mark.parametrize("reset", ALL_RESETS)
@pytest.mark.parametrize("fires", FIRES)
def test_every_lif_is_its_formula_and_equals_torch(fires: str, reset: str, own: bool) -> None:
    n = 40
    size = n if own else ()
    neuron = Lif(
        RNG.choice([0.0, 0.25, 0.9, 1.0] if own else [0.25, 0.9], size),
        RNG.choice([0.5, 1.25], size),
        RNG.choice([0.0, -0.5], size),
        RNG.choice([0.75, 1.0], size),
        fires,
        reset,
    )
    # whole numbers of 1/8, so that some membranes lie on their threshold
    current, v = (RNG.integers(-12, 16, (30, n)).astype(np.float32) / 8 for _ in range(2))
    spikes, after = step(neuron, current, v)
    for b, k in np.ndindex(30, n):
        want = scalar_lif(neuron, k, float(current[b, k]), float(v[b, k]))
        assert (spikes[b, k], after[b, k]) == want
    have, new, _ = neuron.torch_form(torch.from_numpy(current), {"v": torch.from_numpy(v)})
    np.testing.assert_array_equal(have.numpy(), spikes)
    np.testing.assert_array_equal(new["v"].numpy(), after)
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("fires", FIRES)
def test_the_level_says_who_fires(fires: str) -> None:
    neuron = Lif(0.5, threshold=1.0, fires=fires)
    m = np.float32([0.5, np.nextafter(np.float32(1), np.float32(0)), 1.0, 1.0000001, 3.0])
    np.testing.assert_array_equal(
        m >= np.float32(neuron.level), neuron.is_at_threshold(m, np.float32(1))
    )


@pytest.mark.parametrize("reset", ALL_RESETS)
@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_broken_membrane_heals(broken: float, reset: str) -> None:
    neuron = Lif(0.5, v_reset=-0.25, reset=reset)
    current, v = np.float32([[broken, 0.0]]), np.zeros((1, 2), np.float32)
    for _ in range(2):
        _, v = step(neuron, current, v)
        current = np.zeros_like(current)
    assert np.isfinite(v).all()


def snntorch_leaky(beta: float, threshold: float, current: np.ndarray) -> np.ndarray:
    """Spikes of snnTorch's Leaky(beta, threshold), reset_mechanism 'subtract', reset_delay True."""
    f = np.float32
    mem, spikes = np.zeros_like(current[0]), []
    for x in current:
        reset = ((mem - f(threshold)) > 0).astype(np.float32)
        mem = f(beta) * mem + x - reset * f(threshold)
        spikes.append((mem - f(threshold)) > 0)
    return np.stack(spikes)


def test_a_late_soft_reset_is_that_of_snntorch() -> None:
    neuron = Lif(0.6065, 1.0, fires="above", reset="soft_later")
    current = RNG.normal(size=(60, 20)).astype(np.float32)
    v, spikes = np.zeros((1, 20), np.float32), []
    for x in current:
        s, v = step(neuron, x[None], v)
        spikes.append(s[0] > 0)
    np.testing.assert_array_equal(np.stack(spikes), snntorch_leaky(0.6065, 1.0, current))
    assert 0.05 < np.mean(spikes) < 0.5


def test_a_late_hard_reset_is_that_of_snntorch() -> None:
    pytest.importorskip("snntorch")
    theirs = package("snntorch").Lapicque(R=1, C=2, time_step=1, reset_mechanism="zero")
    neuron = Lif(0.5, 1.0, gain=0.5, fires="above", reset="hard_later")
    current = RNG.normal(0.5, 2.0, (60, 20)).astype(np.float32)
    v, mem = np.zeros((1, 20), np.float32), theirs.reset_mem()
    for x in current:
        s, v = step(neuron, x[None], v)
        want, mem = theirs(torch.from_numpy(x)[None], mem)
        np.testing.assert_array_equal(s, want.detach().numpy())
        np.testing.assert_array_equal(v, mem.detach().numpy())


def test_the_rheobase_fires_a_neuron_at_rest() -> None:
    neuron = Lif(0.5, threshold=[1.0, 3.0], gain=[0.5, 2.0])
    assert neuron.rheobase == 1.5
    current, v = np.full((1, 2), np.float32(neuron.rheobase)), np.zeros((1, 2), np.float32)
    assert step(neuron, current, v)[0].tolist() == [[0, 1]]


def test_attributes_and_arrays_rebuild_it() -> None:
    neuron = Lif([0.25, 0.5], 1.0, gain=2.0, fires="above", reset="soft")
    again = Lif(**neuron.attributes(), **neuron.arrays())
    assert again.attributes() == neuron.attributes()
    assert Lif(0.5).attributes() == {"beta": 0.5, "threshold": 1.0, "v_reset": 0.0}


def test_a_neuron_that_fired_waits_at_its_reset() -> None:
    neuron = Lif(0.5, v_reset=-0.25, refractory=[0, 1, 3])
    current, state = np.full((1, 3), 4, np.float32), {}
    state = {name: np.zeros((1, 3), np.float32) for name in neuron.states}
    tensors = {name: torch.from_numpy(value) for name, value in state.items()}
    spikes = []
    for _ in range(8):
        s, state = neuron.reference(current, state)
        have, tensors, m = neuron.torch_form(torch.from_numpy(current), tensors)
        np.testing.assert_array_equal(have.numpy(), s)
        for name, value in state.items():
            np.testing.assert_array_equal(tensors[name].numpy(), value)
        spikes.append(s[0])
    assert np.transpose(spikes).tolist() == [[1] * 8, [1, 0] * 4, [1, 0, 0, 0] * 2]
    assert m[0, 2] == -0.25


def test_a_period_is_that_of_norse() -> None:
    lif = pytest.importorskip("norse.torch.functional.lif")
    refrac = pytest.importorskip("norse.torch.functional.lif_refrac")
    # the synaptic current is gone after a step: dt * tau_syn_inv = 1
    one = torch.as_tensor(1000.0)
    p = lif.LIFParameters(tau_syn_inv=one, tau_mem_inv=torch.as_tensor(125.0))
    waits = refrac.LIFRefracParameters(p, torch.as_tensor(3.0))
    neuron = Lif(0.875, gain=0.125, fires="above", refractory=3)
    current = RNG.normal(8, 12, (100, 30)).astype(np.float32)
    zero = torch.zeros(30)
    theirs = refrac.LIFRefracFeedForwardState(lif.LIFFeedForwardState(zero, zero), zero)
    state = {name: np.zeros((1, 30), np.float32) for name in neuron.states}
    want, have = [], []
    for x in current:
        z, theirs = refrac.lif_refrac_feed_forward_step(torch.from_numpy(x), theirs, waits)
        s, state = neuron.reference(x[None], state)
        want.append(z.numpy())
        have.append(s[0])
    np.testing.assert_array_equal(np.stack(have), np.stack(want))
    assert 0.05 < np.mean(have) < 0.25


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"refractory": 0.5},
            r"refractory is 0\.5; a whole number of steps, 0 to 4094 is required",
        ),
        ({"refractory": [0, 5000]}, r"refractory is 5000\.0; a whole number"),
        ({"refractory": 1, "reset": "soft"}, "with the reset 'soft'; 'hard' is required"),
    ],
)
def test_what_is_no_period_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        Lif(0.5, **fields)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf, 1e31, 2.5])
def test_a_broken_counter_is_zero_again(broken: float) -> None:
    neuron = Lif(0.5, refractory=2)
    state = {"v": np.zeros((1, 1), np.float32), "refractory": np.full((1, 1), broken, np.float32)}
    for _ in range(3):
        _, state = neuron.reference(np.zeros((1, 1), np.float32), state)
    assert state["refractory"] == 0
