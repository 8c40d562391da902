"""Where the sums of an integer network go: a membrane that settles is not clamped."""

from __future__ import annotations

import re

import cases

from delrec_compile.compiler.kernels.integer import compose_integer
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.targets.schedule import Schedule


def test_a_readout_is_clamped_only_where_its_end_is_within_reach() -> None:
    network = quantise(cases.network("mixed"), "int8")
    count = quantise(cases.network("count_readout"), "int8")
    for whole, clamps in ((network, False), (count, True)):
        out = whole.readout
        assert out.readout.clamps(out.bound(whole.largest_of)) == clamps
        text = compose_integer(whole, Schedule(1, 4, "branch"), generator="c").function.script()
        assert bool(re.search(r"T\.max\([^\n]*, -1073741824\)", text)) == clamps
