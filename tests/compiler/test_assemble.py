"""A stage becomes the files of its target; an artifact is compiled again in int8, in its own way."""

from __future__ import annotations

from pathlib import Path

import cases
import numpy as np
import pytest
from conftest import runs
from fixtures.staged import artifact_here

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.assemble import assemble, front_end_beside, recompile_integer
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import UnsupportedError
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.runners.session import Session
from delrec_compile.targets.schedule import Schedule


def test_a_schedule_is_taken_in_place_of_the_profiles(tmp_path: Path) -> None:
    checkpoint.save(cases.network("mixed"), tmp_path / "network.safetensors")
    wanted = vars(Schedule(lanes=4, registers=16, events="branch"))
    entries = assemble(str(tmp_path), "x86_64", "net", 1, "x86-64", None, schedule=wanted)
    assert (entries["schedule"], entries["tuning"]) == (wanted, None)
    assert entries["form"] == "library"
    offsets = [member["offset"] for member in entries["state"].values()]
    assert offsets == sorted(offsets)
    assert not any(offset % 64 for offset in offsets), "members of a library start at cache lines"


def test_a_front_end_whose_block_overflows_the_stack_is_refused() -> None:
    long = FrontEnd(channels=100, step_ms=250)  # 4,000 changes of 4 bytes, and a count a channel
    assert front_end_beside(long.to_json(), 16_100) == {"front": long}
    assert front_end_beside(None, 0) == {}
    with pytest.raises(UnsupportedError, match=r"250 ms takes 16,100 bytes of stack.* has 16,099"):
        front_end_beside(long.to_json(), 16_099)


def test_an_artifact_is_compiled_again_in_int8(tmp_path: Path) -> None:
    network = cases.network("mixed")
    for folder in ("float", "int8"):
        (tmp_path / folder).mkdir()
    first = artifact_here(network, "x86_64", tmp_path / "float")
    quantised = quantise(network, "int8")
    integer_checkpoint.save(quantised, tmp_path / "int8" / integer_checkpoint.NAME)
    again = recompile_integer(tmp_path / "int8", quantised, first.manifest)
    assert (again.numeric, again.schedule) == ("int8", first.manifest.schedule)
    assert again.llvm == first.manifest.llvm
    if runs("x86-64"):
        x = cases.counts(cases.CASES["mixed"])
        state, want = quantised.reset(), []
        for row in x[:, :1]:
            y, state = quantised.step(row, state)
            want.append(y)
        session = Session(Artifact(tmp_path / "int8", again))
        np.testing.assert_array_equal(session.trace(x[:, :1]).y, np.stack(want))
