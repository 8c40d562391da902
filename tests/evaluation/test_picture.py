"""The picture of a network: what each source reaches, and how late."""

from __future__ import annotations

import cases

from delrec_compile.evaluation.picture import picture
from delrec_compile.network.summary import inspect


def test_a_chain_with_its_recurrences() -> None:
    assert picture(inspect(cases.network("mixed"))) == [
        "x  ---> l0",
        "l0 -+-> l0   1 + (0 to 12)",
        "    +-> l1",
        "l1 -+-> l1   1 + (0 to 12)",
        "    +-> out",
    ]


def test_every_projection_of_a_graph_has_its_line() -> None:
    for name in cases.GRAPHS:
        network = cases.network(name)
        lines = picture(inspect(network))
        assert len(lines) == len(list(network.projections()))
        assert lines[0].startswith("x ")
