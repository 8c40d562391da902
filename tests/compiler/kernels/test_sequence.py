"""Kernels of many steps at a time give the outputs of one step at a time."""

from __future__ import annotations

from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.targets.schedule import Schedule


def test_only_the_sequence_kernel_goes_in_chunks() -> None:
    schedule = Schedule(4, 4, "scan", chunk=8)
    assert schedule.kernels == ("run", "trace", "sequence")
    assert body_of("run", schedule) is None
    assert body_of("trace", schedule) is None
    body = body_of("sequence", schedule)
    assert body is not None
    assert body.keywords == {"chunk": 8}  # type: ignore[attr-defined]
