"""The LIF neuron with a synaptic current: its formula, and the orders that other libraries publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.interop.packages import package
from delrec_compile.ops.cuba_lif import ENTERS, SYNAPTIC, CubaLif
from delrec_compile.ops.lif import ALL_RESETS, FIRES, NUMBERS
from delrec_compile.ops.neuron import Neuron

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RNG = np.random.default_rng(11)
N, STEPS = 24, 120
f = np.float32


def run(neuron: Neuron, current: F32) -> F32:
    """Spikes (T, N) from a fresh start."""
    state = {name: np.zeros((1, N), np.float32) for name in neuron.states}
    out = []
    for row in current:
        s, state = neuron.reference(row[None], state)
        out.append(s[0])
    return np.stack(out)


def drawn(scale: float = 0.6) -> F32:
    """Currents of which some fire a neuron."""
    return RNG.normal(0.15, scale, (STEPS, N)).astype(np.float32)


def scalar(neuron: CubaLif, k: int, current: float, i: float, v: float) -> tuple[float, ...]:
    """The formulas of ops/cuba_lif.py for neuron k, written out in float32."""
    alpha, gain_i, beta, threshold, v_reset, gain = (
        f(np.broadcast_to(getattr(neuron, name), N)[k]) for name in (*SYNAPTIC, *NUMBERS)
    )
    over = (lambda x: x > threshold) if neuron.fires == "above" else (lambda x: x >= threshold)
    new = f(f(alpha * f(i)) + f(gain_i * f(current)))
    m = f(f(beta * f(v)) + f(gain * (new if neuron.enters == "new" else f(i))))
    if neuron.reset.endswith("later"):
        if over(f(v)):
            m = f(m - threshold) if neuron.reset == "soft_later" else v_reset
        return float(over(m)), float(new), float(m)
    after = f(m - threshold) if neuron.reset == "soft" else v_reset
    return float(over(m)), float(new), float(after if over(m) else m)


@pytest.mark.parametrize("own", [False, True], ids=["one for all", "one per neuron"])
@pytest.mark.parametrize("enters", ENTERS)
@pytest.mark.parametrize("reset", ALL_RESETS)
@pytest.mark.parametrize("fires", FIRES)
def test_it_is_its_formula_and_equals_torch(fires: str, reset: str, enters: str, own: bool) -> None:
    size = N if own else ()
    neuron = CubaLif(
        *(RNG.choice([0.0, 0.25, 0.9, 1.0] if own else [0.25, 0.9], size) for _ in range(2)),
        RNG.choice([0.5, 1.25], size),
        RNG.choice([0.0, -0.5], size),
        *(RNG.choice([0.75, 1.0], size) for _ in range(2)),
        fires,
        reset,
        enters,
    )
    # whole numbers of 1/8, so that some membranes lie on their threshold
    current, i, v = (RNG.integers(-12, 16, (9, N)).astype(np.float32) / 8 for _ in range(3))
    spikes, after = neuron.reference(current, {"i": i, "v": v})
    for b, k in np.ndindex(9, N):
        want = scalar(neuron, k, float(current[b, k]), float(i[b, k]), float(v[b, k]))
        assert (spikes[b, k], after["i"][b, k], after["v"][b, k]) == want
    state = {"i": torch.from_numpy(i), "v": torch.from_numpy(v)}
    have, new, _ = neuron.torch_form(torch.from_numpy(current), state)
    np.testing.assert_array_equal(have.numpy(), spikes)
    assert list(new) == list(neuron.states)
    for name, value in new.items():
        np.testing.assert_array_equal(value.numpy(), after[name])
    assert 0 < spikes.mean() < 1


@pytest.mark.parametrize("enters", ENTERS)
@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf, 2e30])
@pytest.mark.parametrize("where", ["current", "i", "v"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_broken_heals(where: str, fault: float, enters: str) -> None:
    neuron = CubaLif(0.9, 0.9, gain=1e-4, reset="soft_later", v_reset=-0.25, enters=enters)
    parts = {name: np.zeros((1, N), np.float32) for name in ("current", "i", "v")}
    parts[where][:] = fault
    for _ in range(2):
        _, state = neuron.reference(parts["current"], {"i": parts["i"], "v": parts["v"]})
        parts = {"current": np.zeros((1, N), np.float32), **state}
        assert np.abs(state["i"]).max() <= 1e30
    assert np.abs(state["v"]).max() <= 1e30


def snntorch_spikes(neuron: Any, current: F32) -> F32:
    state, out = neuron.reset_mem(), []
    for row in current:
        spikes, *state = neuron(torch.from_numpy(row)[None], *state)
        out.append(spikes[0].numpy())
    return np.stack(out)


@pytest.mark.parametrize(
    ("mechanism", "delay", "reset"),
    [
        ("subtract", True, "soft_later"),
        ("zero", True, "hard_later"),
        ("zero", False, "hard"),
    ],
)
def test_synaptic_of_snntorch(mechanism: str, delay: bool, reset: str) -> None:
    alpha, beta = RNG.uniform(0.3, 0.95, (2, N)).astype(np.float32)
    pytest.importorskip("snntorch")
    theirs = package("snntorch").Synaptic(
        torch.from_numpy(alpha),
        torch.from_numpy(beta),
        threshold=0.8,
        reset_mechanism=mechanism,
        reset_delay=delay,
    )
    current = drawn(0.3)
    with torch.no_grad():
        want = snntorch_spikes(theirs, current)
    ours = CubaLif(alpha, beta, 0.8, fires="above", reset=reset)
    np.testing.assert_array_equal(run(ours, current), want)
    assert 0.05 < want.mean() < 0.7


def test_lif_of_norse() -> None:
    """Its current jumps, enters, and then decays: `i` here is the current before it decays."""
    pytest.importorskip("norse")
    norse = package("norse.torch.functional.lif")
    p = norse.LIFParameters(
        torch.tensor(200.0), torch.tensor(100.0), v_th=torch.tensor(0.4), v_reset=torch.tensor(-0.1)
    )
    current, out = drawn(2.0), []
    state = norse.LIFFeedForwardState(torch.zeros(N), torch.zeros(N))
    for row in current:
        z, state = norse.lif_feed_forward_step(torch.from_numpy(row), state, p, dt=0.001)
        out.append(z.numpy())
    ours = CubaLif(1 - 0.2, 1 - 0.1, 0.4, -0.1, gain=0.1, fires="above")
    want = np.stack(out)
    assert np.count_nonzero(run(ours, current) != want) <= 2  # 1 - 0.1 is rounded otherwise there
    assert 0.05 < want.mean() < 0.7


def test_cuba_lif_node_of_spikingjelly() -> None:
    """On the grid of lava's integers, without decay, where it does not round; with decay nearly."""
    pytest.importorskip("spikingjelly")
    module = package("spikingjelly.activation_based.lava_exchange")
    for decays, most in (((0.0, 0.0), 0), ((0.25, 0.5), STEPS * N // 100)):
        theirs = module.CubaLIFNode(*decays, v_threshold=1.0)
        current = np.round((drawn(0.4) - 0.1) * 64).astype(np.float32) / 64
        with torch.no_grad():
            want = np.stack([theirs(torch.from_numpy(row)).numpy() for row in current])
        # it fires where v > threshold, at a multiple of 2^-12
        ours = CubaLif(1 - decays[0], 1 - decays[1], 1.0, fires="above")
        assert np.count_nonzero(run(ours, current) != want) <= most
        assert 0.02 < want.mean() < 0.98


def nir_euler(current: F32) -> F32:
    """NIR's CubaLIF by Euler's method, in float64: tau_syn 4 steps, tau_mem 10, w_in 4, r 10."""
    i, v, out = np.zeros(N), np.zeros(N), []
    for row in current:
        i = (1 - 1 / 4) * i + 1 / 4 * 4 * row
        v = (1 - 1 / 10) * v + 1 / 10 * 10 * i
        out.append(v > 1)
        v = np.where(v > 1, 0, v)
    return np.stack(out)


def rockpool_lif(current: F32) -> F32:
    """Rockpool's LIFTorch: spikes are added, both decay, the current enters, v - threshold."""
    i, v, out = np.zeros(N), np.zeros(N), []
    for row in current:
        i = (i + row) * 0.7
        v = v * 0.9 + i
        out.append(v > 1)
        v = v - (v > 1)
    return np.stack(out)


def lava_lif(current: F32) -> F32:
    """lava's floating-point LIF: u = u (1 - du) + a, v = v (1 - dv) + u, v > vth: 0."""
    u, v, out = np.zeros(N), np.zeros(N), []
    for row in current:
        u = u * (1 - 0.25) + row
        v = v * (1 - 0.125) + u
        out.append(v > 1)
        v = v * (v <= 1)
    return np.stack(out)


def spytorch(current: F32) -> F32:
    """Tutorial 1 of SpyTorch: the old synaptic current enters; a reset multiplies the new membrane."""
    i, v, out = np.zeros(N), np.zeros(N), []
    for row in current:
        fires = v > 1
        i, v = 0.8 * i + row, (0.9 * v + i) * (1 - fires)
        out.append(v > 1)
    return np.stack(out)


PUBLISHED: dict[str, tuple[Callable[[F32], F32], CubaLif]] = {
    "NIR": (nir_euler, CubaLif(1 - 1 / 4, 1 - 1 / 10, gain_i=1 / 4 * 4, gain=1.0, fires="above")),
    "Rockpool": (rockpool_lif, CubaLif(0.7, 0.9, gain_i=0.7, fires="above", reset="soft")),
    "lava": (lava_lif, CubaLif(1 - 0.25, 1 - 0.125, fires="above")),
    "SpyTorch": (
        spytorch,
        CubaLif(0.8, 0.9, fires="above", reset="hard_later", enters="old"),
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_formulas(name: str) -> None:
    formula, neuron = PUBLISHED[name]
    current = drawn(0.3)
    want = formula(current)
    assert np.count_nonzero(run(neuron, current) != want) <= 2  # rounded to float32 here
    assert 0.05 < want.mean() < 0.7
    other = "old" if neuron.enters == "new" else "new"
    changed = CubaLif(**(neuron.attributes() | {"enters": other}))
    assert np.count_nonzero(run(changed, current) != want) > 20


def test_attributes_and_arrays_rebuild_it() -> None:
    neuron = CubaLif([0.25, 0.5], 0.5, gain=2.0, gain_i=[1.0, 3.0], reset="soft", enters="old")
    again = CubaLif(**neuron.attributes(), **neuron.arrays())
    assert again.attributes() == neuron.attributes()
    assert again.arrays().keys() == neuron.arrays().keys()
    assert CubaLif(0.5, 0.25).attributes() == {
        "alpha": 0.5, "beta": 0.25, "threshold": 1.0, "v_reset": 0.0
    }  # fmt: skip
    assert CubaLif(0.5, 0.5, 3.0, gain=2.0, gain_i=0.5).rheobase == 3.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"alpha": 1.5}, "cuba_lif: alpha is 1.5; allowed: 0 <= alpha <= 1"),
        ({"gain_i": 0.0}, "cuba_lif: gain_i is 0.0; a positive number is required"),
        ({"enters": "both"}, "cuba_lif: unknown enters 'both'; allowed: new, old"),
        (
            {"alpha": [0.1, 0.2], "beta": [0.1]},
            "constants of several sizes, alpha for 2, beta for 1",
        ),
        ({"beta": -1.0}, "^cuba_lif: beta is -1.0"),
        ({"alpha": np.nan}, "^cuba_lif: alpha is nan; a finite number is required"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        CubaLif(**({"alpha": 0.5, "beta": 0.5} | fields))
