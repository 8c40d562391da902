"""The plan of an import."""

from __future__ import annotations

import numpy as np
import pytest

from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.parts import Delays, Integrator, Neurons, lif_of
from delrec_compile.interop.planned import planned

NAMES = [(n, n.upper()) for n in ("fc", "lif", "late", "bn", "drop", "out")]


def chain(*last: tuple[str, Integrator]) -> Chain:
    made = Chain(3, remarks=["a remark"])
    made.add("fc", linear_parts.affine(np.ones((4, 3))))
    made.add("lif", Neurons(lif_of(4, "lif", beta=0.5)))
    made.add("late", Delays(np.full(4, 7)))
    made.add("bn", linear_parts.Scale(np.ones(4), np.zeros(4)))
    for name, part in last:
        made.add(name, part)
    return made


def test_each_part_is_told_in_order() -> None:
    made = planned("m:net", "a framework", NAMES, chain(("out", Integrator(0.5))), {})
    assert made.ok
    assert made.remarks == ("a remark", "the network is a graph of 2 populations: lif, out")
    assert [part.becomes for part in made.parts] == [
        "weights 3 -> 4",
        "neurons, reset hard",
        "delays of up to 7 steps",
        "scale, folded into weights",
        "nothing",
        "readout, its membrane the output",
    ]


def test_refusals_stand_at_their_parts() -> None:
    refusals = {"drop": UnsupportedError("drop: networks have no DROP; leave it out")}
    (row,) = planned("m:net", "a framework", NAMES, chain(), refusals).refused
    assert (row.name, row.refused, row.instead) == (
        "drop",
        "networks have no DROP",
        "leave it out",
    )


def test_parts_that_do_not_follow_each_other_are_refused_by_name() -> None:
    wrong = chain(("out", Integrator(0.5)), ("out", Integrator(0.5)))
    (row,) = planned("m:net", "a framework", NAMES, wrong, {}).refused
    assert row.name == "out"
    assert "must be the last layer" in row.refused


@pytest.mark.parametrize("kind", [NetworkError, UnsupportedError])
def test_what_names_no_part_stands_at_the_last(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise kind("too much of all")

    made = chain(("out", Integrator(0.5)))
    monkeypatch.setattr(made, "network", refuses)
    (row,) = planned("m:net", "a framework", NAMES, made, {}).refused
    assert row.name == "out"


@pytest.mark.parametrize("keeps", [False, True])
def test_weights_are_frozen_but_those_that_are_to_stay(
    keeps: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr("delrec_compile.network.grid.snap", seen.append)
    made = chain(("out", Integrator(0.5)))
    assert planned("m:net", "a framework", NAMES, made, {}, keeps_grid=keeps).ok
    assert len(seen) == (not keeps)
