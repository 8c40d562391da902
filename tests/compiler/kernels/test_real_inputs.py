"""Real inputs in a kernel: a step with the inputs of the one before it is not multiplied again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest

from delrec_compile.compiler.codegen.c_text import c_text
from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.compiler.kernels.nodes import nodes_of
from delrec_compile.compiler.kernels.real_inputs import (
    integer_form,
    is_kept,
    real_form,
    takes_input,
)
from delrec_compile.network.grid import grids
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Lif, Network, Population, Projection
from delrec_compile.ops.feed import Dense
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.real_input import RealInput
from delrec_compile.targets.schedule import Schedule

CHIP = Schedule(lanes=1, events="branch", bytes="words")
STEPS, SIZE, INPUTS = 8, 16, 64


def test_cores_without_vectors_multiply_all_inputs_of_dense_maps_alone() -> None:
    network = cases.network("real")
    qs = grids(network)
    form = real_form(network, CHIP, qs, "float32")
    assert form is not None
    assert form.input == RealInput(7, 1)
    assert [*form.products] == [("l0", "")]
    assert (form.worth("int32"), form.worth("float32")) == (1.0, 2.0**-7)
    vectors = real_form(network, replace(CHIP, lanes=8), qs, "int32")
    assert vectors is not None
    assert not vectors.products
    maps = cases.network("real_maps")
    of_maps = real_form(maps, CHIP, grids(maps), "float32")
    assert of_maps is not None
    assert not of_maps.products
    assert real_form(cases.network("mixed"), CHIP, (), "float32") is None


def test_sums_are_kept_where_all_that_comes_in_at_once_is_the_input() -> None:
    r = np.random.default_rng(0)
    into = [Projection("x", Dense(r.normal(size=(4, 3)))), Projection("x", Dense(np.eye(4, 3)))]
    skip = [Projection("x", Dense(np.eye(2, 3))), Projection("a", Dense(np.eye(2, 4)))]
    network = Network.of(
        [
            Population("a", Lif(0.5), tuple(into)),
            Population("b", Lif(0.5), tuple(skip)),
            Population(
                "out",
                LeakyReadout(np.zeros((1, 2)), np.zeros(1), 0.5),
                (Projection("b", Dense(np.ones((1, 2)))),),
            ),
        ]
    )
    a, b, out = nodes_of(network)
    assert [is_kept(node) for node in (a, b, out)] == [True, False, False]
    assert [takes_input(edge) for edge in b.edges] == [True, False]


def test_a_row_that_repeats_costs_a_comparison(tmp_path: Path) -> None:
    pytest.importorskip("unicorn")
    pytest.importorskip("ziglang")
    from fixtures.programs import BOARD

    from delrec_compile.runners.emulated.processor import Processor
    from delrec_compile.system.chips import CORES
    from delrec_compile.system.zig import compile_c, link_bare

    case = cases.Case("picture", (SIZE,), ("",), INPUTS, counts=1, input_bits=6)
    network = cases.made(case)
    kernel = compose(network, CHIP, generator="c", grids=grids(network))
    source, core = tmp_path / "net.c", CORES["cortex_m4"]
    source.write_text(c_text({"net": kernel.function}))
    thing = compile_c([source], tmp_path / "net.o", core.triple, core.cpu)
    elf = link_bare([thing], tmp_path / "net.elf", BOARD, core.triple, core.cpu, keep=["net"])
    machine = Processor(elf, "cortex_m4", None, 10.0)

    def run(x: np.ndarray) -> tuple[int, bytes]:
        state = [bytes(n * np.dtype(kind).itemsize) for n, kind in kernel.state.values()]
        raws = [x.tobytes(), bytes(4 * STEPS * kernel.outputs)]
        tables = [table.tobytes() for table in kernel.tables.values()]
        places = [machine.alloc(len(raw)) for raw in (*raws, *tables, *state)]
        for place, raw in zip(places, (*raws, *tables, *state), strict=True):
            machine.write(place, raw)
        done = machine.call("net", *places[:2], STEPS, *places[2:])
        return done.instructions, machine.read(places[1], len(raws[1]))

    x = np.random.default_rng(3).uniform(-1, 1, (STEPS, INPUTS)).astype(np.float32)
    same = np.repeat(x[:1], STEPS, axis=0)
    state, ys = network.reset(), []
    for row in same:
        y, state = network.step(row[None], state)
        ys.append(y[0])
    (changing, _), (repeated, out) = run(x), run(same)
    np.testing.assert_array_equal(np.frombuffer(out, np.float32).reshape(STEPS, -1), ys)
    assert repeated < 0.6 * changing


def test_integer_networks_are_multiplied_as_the_schedule_can() -> None:
    whole = quantise(cases.network("real"), "int8")
    form = integer_form(whole, CHIP)
    assert form is not None
    assert [*form.products] == [("l0", "")]
    np.testing.assert_array_equal(
        form.products["l0", ""].dense.weight, whole.populations[0].projections[0].synapses.weights
    )
    vectors = integer_form(whole, replace(CHIP, lanes=8))
    maps = integer_form(quantise(cases.network("real_maps"), "int8"), CHIP)
    assert vectors is not None
    assert maps is not None
    assert not vectors.products
    assert not maps.products
    assert integer_form(quantise(cases.network("mixed"), "int8"), CHIP) is None
