"""Networks on an emulated board: its records, without QEMU."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.manifests import typed
from fixtures.staged import artifact_here
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import DeviceError, ParityError
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.runners.emulated import board, qemu
from delrec_compile.runners.emulated.board import BoardRunner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.system import elf

MEMORY = {"chip": "SSE-300", "flash": [0, 512], "ram": [0x21000000, 512]}
X = np.ones((4, 2, 3), np.float32)  # steps, samples, inputs


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BoardRunner:
    """A runner whose program is never linked."""
    (tmp_path / "replay.elf").touch()
    monkeypatch.setattr(board, "replay_program", lambda *_: tmp_path / "replay.elf")
    manifest = typed(
        machine="cortex_m55", core="cortex_m55", board="mps3-an547", memory=MEMORY, image="x.elf"
    )
    return BoardRunner(Artifact(tmp_path, manifest))


def play(monkeypatch: pytest.MonkeyPatch, raw: bytes, status: int = 0) -> list[bytes]:
    """Lets QEMU write these bytes. Returns the input that it was given."""
    given: list[bytes] = []

    def run_image(_image: Path, _board: str, *, folder: Path, **_: Any) -> qemu.Run:
        given.append((folder / "input.bin").read_bytes())
        (folder / "output.bin").write_bytes(raw)
        return qemu.Run(status, "")

    monkeypatch.setattr(qemu, "run_image", run_image)
    return given


def records(runner: BoardRunner) -> np.ndarray:
    """Records of two samples of four steps, in the board's order."""
    rows = np.zeros((2, 4), runner._record)
    rows["y"] = rows["traced"] = np.arange(16, dtype=np.float32).reshape(2, 4, 2)
    rows["spikes"][1, 3, 8] = 1
    rows["ticks"] = 100
    return rows


def test_records_become_a_trace(runner: BoardRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = records(runner)
    given = play(monkeypatch, (96).to_bytes(4, "little") + rows.tobytes())
    trace = runner.trace(X)
    np.testing.assert_array_equal(trace.y, rows["y"].transpose(1, 0, 2))
    assert [s.shape for s in trace.spikes] == [(4, 2, 4), (4, 2, 5)]
    assert trace.spikes[1][3, 1].tolist() == [0, 0, 0, 0, 1]
    assert (runner.stack_bytes, len(runner.instructions)) == (96, 8)
    # per step a byte, 1 where a sample begins, and the counts
    assert given == [bytes([1, 1, 1, 1, *[0, 1, 1, 1] * 3]) * 2]


def test_one_step_of_many_is_counted(runner: BoardRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    play(monkeypatch, bytes(4) + records(runner).tobytes())
    runner.every = 3
    runner.trace(X)
    assert len(runner.instructions) == 4


def test_the_pace_leaves_out_the_start(
    runner: BoardRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trace(x: np.ndarray) -> None:
        time.sleep(0.05 + 0.02 * len(x))
        runner.instructions += [1] * len(x)

    monkeypatch.setattr(runner, "trace", trace)
    assert 0.015 < runner.pace(X[:, :1]).plain < 0.2
    assert runner.instructions == []


def test_kernels_that_differ_are_a_parity_error(
    runner: BoardRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = records(runner)
    rows["traced"][0, 1, 1] += 1
    play(monkeypatch, bytes(4) + rows.tobytes())
    with refusal(ParityError, "the tracing kernel and the kernel without trace", 6):
        runner.trace(X)


def test_a_board_that_stops_early_is_an_error(
    runner: BoardRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, bytes(4) + records(runner).tobytes()[:-1])
    with refusal(DeviceError, "mps3-an547 ended with 0 after 235 bytes of output", 8):
        runner.trace(X)
    play(monkeypatch, b"", status=3)
    with refusal(DeviceError, "mps3-an547 ended with 3 after 0 bytes", 8):
        runner.trace(X)


def test_a_chip_without_a_board_runs_on_one_with_its_instructions(tmp_path: Path) -> None:
    """Code for a Cortex-M85, linked for the RA8M1, on the board of a Cortex-M55."""
    artifact = artifact_here(cases.network("mixed"), "cortex_m85", tmp_path, numeric="int8")
    assert artifact.manifest.board == ""
    sections = elf.sections(tmp_path / str(artifact.manifest.image))
    assert min(s.start for s in sections) == 0x02000000
    runner = BoardRunner(artifact)
    assert runner.how == "emulated (qemu-system-arm, mps3-an547)"
    assert runner.self_test()
    whole = integer_checkpoint.load(tmp_path / integer_checkpoint.NAME)
    x = cases.counts(cases.CASES["mixed"], steps=9)
    want, got = ReferenceRunner(whole).trace(x), runner.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)
