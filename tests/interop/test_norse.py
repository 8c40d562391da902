"""Norse's own models beside the networks made of them: every spike of 200 steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from grids import grid, on_grid, same_spikes
from helpers import refusal
from torch import nn

import delrec_compile
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.packages import package
from delrec_compile.runners.torch_runner import TorchRunner

pytestmark = pytest.mark.filterwarnings("ignore")
pytest.importorskip("norse")
norse = package("norse.torch")

HALF = 1 / 2**9  # a step, with rates that are powers of two


def box(**options: Any) -> Any:
    told = {"tau_mem_inv": torch.tensor(256.0), "v_th": torch.tensor(0.5)} | options
    return norse.LIFBoxCell(norse.LIFBoxParameters(**told), dt=HALF)


def lif(**options: Any) -> Any:
    told = {"tau_mem_inv": torch.tensor(256.0), "tau_syn_inv": torch.tensor(512.0)} | options
    return norse.LIFParameters(**told)


def subtracting() -> Any:
    from norse.torch.functional.reset import reset_subtract

    return box(reset_method=reset_subtract)


CELLS = {
    "box": box,
    "rest": lambda: box(v_leak=torch.tensor(-0.25), v_reset=torch.tensor(-0.5)),
    "subtract": subtracting,
    "integrate": lambda: norse.IAFCell(dt=HALF),
    "integrate_from": lambda: norse.IAFCell(
        norse.IAFParameters(v_reset=torch.tensor(-0.5)), dt=HALF
    ),
    "current": lambda: norse.LIFCell(lif(v_th=torch.tensor(0.5)), dt=HALF),
    "synapse": lambda: norse.LIFCell(lif(tau_syn_inv=torch.tensor(128.0)), dt=HALF),
    "synapse_at_rest": lambda: norse.LIFCell(
        lif(tau_syn_inv=torch.tensor(256.0), v_leak=torch.tensor(-0.25)), dt=HALF
    ),
}


@pytest.mark.parametrize("cell", CELLS)
def test_cells(cell: str) -> None:
    own = CELLS[cell]
    model = on_grid(norse.SequentialState(nn.Linear(10, 16), own(), nn.Linear(16, 8), own()))
    made = delrec_compile.from_norse(model, max_input=4)
    same_spikes(made)
    assert made.network.dt_ms == pytest.approx(1e3 * HALF)
    # a current that is gone after a step is no state
    kind = "cuba_lif" if cell.startswith("synapse") else "lif"
    assert {p.neuron.kind for p in made.network.spiking} == {kind}


@pytest.mark.parametrize("tau_syn_inv", [512.0, 128.0])
@pytest.mark.parametrize(
    "rate", [128.0, [128.0, 256.0, 64.0, 384.0]], ids=["one for all", "one each"]
)
@pytest.mark.parametrize("kind", ["LIBoxCell", "LICell"])
def test_a_recurrent_cell_and_a_readout(kind: str, rate: Any, tau_syn_inv: float) -> None:
    torch.manual_seed(0)
    own = lif(v_th=torch.tensor(0.25), tau_syn_inv=torch.tensor(tau_syn_inv))
    cell = norse.LIFRecurrentCell(10, 16, p=own, dt=HALF)
    cell.input_weights.data = grid(cell.input_weights.data)
    cell.recurrent_weights.data = grid(cell.recurrent_weights.data)
    rates = {"tau_mem_inv": torch.tensor(rate)}
    if kind == "LICell":
        last = norse.LICell(
            p=norse.LIParameters(tau_syn_inv=torch.tensor(tau_syn_inv), **rates), dt=HALF
        )
    else:
        last = norse.LIBoxCell(norse.LIBoxParameters(**rates), dt=HALF)
    model = norse.SequentialState(cell, on_grid(nn.Linear(16, 4)), last)
    made = delrec_compile.from_norse(model, max_input=4)
    same_spikes(made)
    assert made.network.layers[0].recurrence.name == "dense"  # type: ignore[union-attr]
    np.testing.assert_array_equal(made.network.readout.beta, 1 - HALF * np.array(rate))
    has_current = kind == "LICell" and tau_syn_inv < 512
    assert made.network.readout.kind == ("synaptic" if has_current else "leaky")
    x = torch.randint(0, 3, (50, 2, 10)).float()
    from delrec_compile.runners.reference import ReferenceRunner

    ours = ReferenceRunner(made.network).trace(x.numpy()).y
    state = None
    with torch.no_grad():
        for t, row in enumerate(x):
            y, state = model(row, state)
            torch.testing.assert_close(torch.from_numpy(ours[t]), y, rtol=0, atol=1e-5)


REFUSED = {
    "rest": (
        norse.LICell(norse.LIParameters(v_leak=torch.tensor(0.5))),
        "outputs need a v_leak of 0",
    ),
    "current and adaptation": (norse.LSNNCell(), "no LSNNCell; allowed: LIFBoxCell"),
    "adaptive": (norse.LIFAdExCell(), "no LIFAdExCell; allowed: LIFBoxCell"),
    "steps": (norse.LIFBoxCell(dt=0.002), "steps of"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    cell, message = REFUSED[what]
    first = norse.LIFBoxCell(dt=0.001)
    model = norse.SequentialState(nn.Linear(4, 4), first, nn.Linear(4, 4), cell)
    with refusal(UnsupportedError, message, 4):
        delrec_compile.from_norse(model)
    assert [part.name for part in delrec_compile.plan_import(model).refused] == ["3"]


def test_the_nir_graph_that_norse_writes() -> None:
    pytest.importorskip("nirtorch")

    def wide(n: int) -> Any:
        own = {"tau_mem_inv": 256.0, "v_th": 0.5, "v_leak": 0.0, "v_reset": 0.0}
        return box(**{key: torch.full((n,), value) for key, value in own.items()})

    model = on_grid(norse.SequentialState(nn.Linear(10, 16), wide(16), nn.Linear(16, 8), wide(8)))
    made = delrec_compile.from_norse(model, max_input=4)
    graph = norse.to_nir(model, torch.zeros(10), dt=1)  # its tau is dt / tau_mem_inv
    read = delrec_compile.from_nir(graph, dt_ms=1e3 * HALF, max_input=4)
    same_spikes(replace(read, model=made.model))


def test_the_convolutional_network_of_norse_and_its_mnist_task() -> None:
    """Pools and a factor in `forward`, spikes that are rectified, weights in the output cell."""
    torch.manual_seed(0)
    conv = package("norse.torch.models.conv")
    model = on_grid(conv.ConvNet(num_channels=1, feature_size=16))
    for cell in (model.lif0, model.lif1, model.lif2):
        cell.p = lif(v_th=torch.tensor(0.5), tau_syn_inv=torch.tensor(256.0))
        cell.dt = model.out.dt = HALF
    options: dict[str, Any] = {"input_shape": (1, 16, 16), "takes_sequences": True}
    made = delrec_compile.from_norse(model, max_input=1, **options)
    check = made.check(30, batch=2, frozen=False)
    assert (check.differing, check.firing.silent) == (0, False)
    assert [p.size for p in made.network.populations] == [2880, 720, 200, 50, 500, 10]
    assert [r.name for r in made.network.readouts] == ["out"]


def test_outputs_with_a_time_constant_each() -> None:
    rates = torch.tensor([64.0, 128.0, 256.0, 512.0])
    own = norse.LIBoxCell(norse.LIBoxParameters(tau_mem_inv=rates), dt=HALF)
    model = on_grid(norse.SequentialState(nn.Linear(10, 16), box(), nn.Linear(16, 4), own))
    made = delrec_compile.from_norse(model, max_input=4)
    same_spikes(made)
    assert list(made.network.readout.beta) == [0.875, 0.75, 0.5, 0.0]
    x, state, outputs = made.drawn(20, 2), None, []
    for row in torch.from_numpy(x):
        y, state = model(row, state)
        outputs.append(y.detach().numpy())
    np.testing.assert_allclose(TorchRunner(made.network).trace(x).y, outputs, atol=1e-5)
