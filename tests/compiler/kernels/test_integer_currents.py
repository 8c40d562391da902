"""Currents that are not sums of rows: units, and the maps that make them."""

from __future__ import annotations

import cases
import pytest

from delrec_compile.compiler.kernels.integer import compose_integer
from delrec_compile.compiler.kernels.integer_currents import Current
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize("name", ["frontend_2d", "all_kinds", "heads"])
@pytest.mark.parametrize("rows", ["wide", "memory"])
def test_each_map_is_emitted_with_its_own_tables(name: str, rows: str) -> None:
    network = quantise(cases.network(name), "int8")
    kernel = compose_integer(network, Schedule(1, 4, "branch", bytes=rows), generator="c")
    text = kernel.function.script()
    for p in network.spiking:
        for each in p.projections:
            table = "weight" if each.synapses.line is None else each.synapses.tables().popitem()[0]
            assert f"{p.prefix}{each.prefix}" in text, table


def test_a_unit_of_one_is_not_multiplied() -> None:
    assert Current(None, 4).unit == 4
