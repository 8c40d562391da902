"""Refusals of parts, and what they say would do."""

from __future__ import annotations

from delrec_compile import targets
from delrec_compile.errors import UnsupportedError
from delrec_compile.interop.refusals import UnknownPartError, lane, reason, unknown_part


def test_an_unknown_part_is_named_with_what_would_do() -> None:
    error = unknown_part("fc", "Fold", "use Linear")
    assert isinstance(error, UnknownPartError)
    assert error.exit_code == 4
    assert str(error) == f"fc: networks have no Fold; use Linear; or {lane()}"
    assert reason("fc", error) == ("networks have no Fold", f"use Linear; or {lane()}")
    assert reason("fc", UnsupportedError("fc: too wide")) == ("too wide", "")
    assert str(unknown_part("fc", "Fold")) == f"fc: networks have no Fold; {lane()}"


def test_the_slower_lane_names_its_targets() -> None:
    able = [n for n in targets.names() if targets.load(n).form == "library"]
    assert all(name in lane() for name in able)
