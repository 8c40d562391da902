"""The readout with a synaptic current against its formula, and against the libraries that have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.ops import grid, history
from fixtures.tir import run
from helpers import refusal

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.interop.packages import package
from delrec_compile.ops.alpha import tau_alpha
from delrec_compile.ops.cuba_lif_onnx import ENTERS
from delrec_compile.ops.synaptic_readout import SynapticReadout
from delrec_compile.targets.schedule import Schedule

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RNG = np.random.default_rng(12)
f = np.float32


def outputs(readout: SynapticReadout, spikes: F32) -> F32:
    """y (T, classes) from a fresh start."""
    state = {name: np.zeros((1, readout.size), f) for name in readout.states}
    out = []
    for row in spikes:
        y, state = readout.reference(row[None], state)
        out.append(y[0])
    return np.stack(out)


@pytest.mark.parametrize("enters", ENTERS)
@pytest.mark.parametrize(
    ("alpha", "beta"), [(0.7, 0.3), ([0.7, 0.1, 1], 0.3), (0.7, [0.3, 0.9, 0]), ([0, 1, 0.5],) * 2]
)
def test_it_is_its_formula_and_equals_torch(enters: str, alpha: Any, beta: Any) -> None:
    out = SynapticReadout(grid(RNG, 3, 5), grid(RNG, 3), beta, alpha=alpha, enters=enters)
    spikes = history(RNG, 2, 4, 5)[:, 0]
    state = {name: RNG.normal(size=(2, 3)).astype(f) for name in ("i", "v")}
    y, new = out.reference(spikes, state)
    current = spikes @ out.weight.T + out.bias
    i = f(alpha) * state["i"] + current
    np.testing.assert_array_equal(new["i"], i)
    np.testing.assert_array_equal(y, f(beta) * state["v"] + (i if enters == "new" else state["i"]))
    np.testing.assert_array_equal(new["v"], y)
    past = {k: torch.from_numpy(value) for k, value in state.items()}
    constants = [torch.from_numpy(value) for value in out.constants().values()]
    have, after = out.torch_form(torch.from_numpy(current), past, *constants)
    np.testing.assert_array_equal(have.numpy(), y)
    assert list(after) == list(new) == list(out.states)
    np.testing.assert_array_equal(after["i"].numpy(), i)


@pytest.mark.parametrize("fault", [np.nan, np.inf, -4e30])
@pytest.mark.parametrize("where", ["i", "v"])
def test_what_is_broken_heals(where: str, fault: float) -> None:
    out = SynapticReadout(np.ones((2, 1)), np.zeros(2), 0.5, alpha=0.5)
    state = {name: np.ones((1, 2), f) for name in out.states} | {where: np.full((1, 2), f(fault))}
    y, new = out.reference(np.ones((1, 1), f), state)
    # a broken current becomes 0, and v is then half of its 1
    assert y.tolist() == ([[0.5, 0.5]] if where == "i" else [[0.0, 0.0]])
    assert new["i"].tolist() == ([[0.0, 0.0]] if where == "i" else [[1.5, 1.5]])


def test_synaptic_of_snntorch_without_a_reset() -> None:
    pytest.importorskip("snntorch")
    theirs: Any = package("snntorch").Synaptic(0.8, 0.9, reset_mechanism="none")
    ours = SynapticReadout(np.eye(4), np.zeros(4), 0.9, alpha=0.8)
    x = RNG.normal(size=(200, 4)).astype(f)
    state, want = theirs.reset_mem(), []
    for row in torch.from_numpy(x):
        _, *state = theirs(row[None], *state)
        want.append(state[-1][0].numpy())
    np.testing.assert_allclose(outputs(ours, x), np.stack(want), rtol=1e-5, atol=1e-5)


def test_alpha_of_snntorch_without_a_reset() -> None:
    pytest.importorskip("snntorch")
    theirs: Any = package("snntorch").Alpha(0.8, 0.7, reset_mechanism="none")
    # its two traces make one filter behind another: e + h = (alpha - beta) * both of them, a step late
    weight = np.eye(4) * (0.8 - 0.7) * float(tau_alpha(0.8, 0.7))
    ours = SynapticReadout(weight, np.zeros(4), 0.7, alpha=0.8, enters="old")
    x = RNG.normal(size=(200, 4)).astype(f)
    state, want = theirs.reset_mem(), []
    for row in torch.from_numpy(x):
        _, *state = theirs(row[None], *state)
        want.append(state[-1][0].numpy())
    np.testing.assert_allclose(outputs(ours, x), np.stack(want), rtol=1e-4, atol=1e-5)


def test_li_cell_of_norse() -> None:
    norse = pytest.importorskip("norse.torch")
    cell = norse.LICell(p=norse.LIParameters(tau_syn_inv=200.0, tau_mem_inv=100.0))
    # r = dt / tau_mem enters the weights
    ours = SynapticReadout(0.1 * np.eye(4), np.zeros(4), 0.9, alpha=0.8)
    x = RNG.normal(size=(200, 4)).astype(f)
    state, want = None, []
    for row in torch.from_numpy(x):
        y, state = cell(row[None], state)
        want.append(y[0].detach().numpy())
    np.testing.assert_allclose(outputs(ours, x), np.stack(want), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_is_refused() -> None:
    with refusal(NetworkError, "readout: alpha is 1.5; allowed: 0 <= alpha <= 1", 3):
        SynapticReadout(np.eye(2), np.zeros(2), 0.5, alpha=1.5)
    with refusal(NetworkError, "readout: unknown enters 'late'; allowed: new, old", 3):
        SynapticReadout(np.eye(2), np.zeros(2), 0.5, enters="late")


@pytest.mark.parametrize("enters", ENTERS)
@pytest.mark.parametrize(
    "shares", [(0.5, 0.75), ([0.5, 0.25, 1, 0, 0.75], [1, 0.5, 0, 0.25, 0.125])]
)
def test_compiled_blocks_are_its_formula(enters: Any, shares: tuple[Any, Any]) -> None:
    n = 5
    readout = SynapticReadout(np.eye(n), np.zeros(n), shares[1], alpha=shares[0], enters=enters)
    r = np.random.default_rng(2)
    current, state = grid(r, 1, n), {name: grid(r, 1, n) for name in readout.states}
    tables = {**readout.tables(np.ones(1, np.float32)), **readout.constants()}
    named = {**{name: value[0] for name, value in state.items()}, **tables}

    def body(e: Any, y: Any, given: Any, *buffers: Any) -> None:
        held = dict(zip(named, buffers, strict=True))
        tile = readout.tile(e, held.__getitem__, y, 0, 0, n)
        for at, lanes in e.blocks(n):
            readout.emit(tile, e.load(given, at, lanes), at, lanes)

    y, after = readout.integrate(current, state)
    arrays = [np.zeros(n, np.float32), current[0], *named.values()]
    got = run(body, *arrays, schedule=Schedule(4, 2, "scan"))
    for have, want in zip((got[0], *got[2:4]), (y, *after.values()), strict=True):
        np.testing.assert_array_equal(have, want[0])
