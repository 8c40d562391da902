"""Artifacts that hear: the code of every form and several cores beside the definition."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here

from delrec_compile.artifact.manifest import Form
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.sounds import bundled_sounds
from delrec_compile.errors import DeviceError, UnsupportedError
from delrec_compile.network.front_end import NOTE
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.emulated.machine import Call
from delrec_compile.runners.listening import (
    EmulatedListener,
    NativeListener,
    front_end_of,
    hear,
)
from delrec_compile.runners.open import artifact_runner
from delrec_compile.system.files import sha256

FRONT = FrontEnd(channels=14, threshold=3_000)
NETWORK = replace(cases.network("mixed"), max_input=31, notes={NOTE: FRONT.to_json()})
PCM = bundled_sounds().pcm[:1, 1_600:4_800]  # the words begin


@pytest.mark.parametrize(
    ("target", "numeric"),
    [
        ("x86_64", "float32"),
        ("portable_c", "int8"),
        ("cortex_m4", "int8"),
        ("cortex_m0plus", "int8"),
        ("wasm32", "float32"),
    ],
)
def test_spikes_and_outputs_of_words_are_the_definitions(
    target: str, numeric: str, tmp_path: Path
) -> None:
    artifact = artifact_here(NETWORK, target, tmp_path, numeric=numeric, front=FRONT)
    assert front_end_of(artifact) == FRONT
    library = artifact.library
    files = {} if library is None else {artifact.manifest.main_file: sha256(library)}
    artifact = replace(artifact, manifest=replace(artifact.manifest, files=files))
    runner = artifact_runner(artifact)
    if isinstance(runner, EmulatedRunner):
        listener: NativeListener | EmulatedListener = EmulatedListener(artifact, runner.program)
    else:
        listener = NativeListener(artifact, runner.library)
        if target == "x86_64":  # vectors of a library's state are read whole
            off = ctypes.c_void_p(listener._memory.ctypes.data + 4)
            block = (ctypes.c_int16 * FRONT.block)()
            assert runner.library.mixed_frontend(off, block, (ctypes.c_uint8 * 14)()) == -1
    assert listener.self_test()
    found, want = hear(listener, FRONT, PCM), FRONT.encode(PCM)
    assert want.sum() > 40
    np.testing.assert_array_equal(found.counts, want)
    y = runner.outputs_of(np.ascontiguousarray(want.swapaxes(0, 1), np.float32)).swapaxes(0, 1)
    assert np.ptp(y) > 0
    np.testing.assert_array_equal(found.y, y)
    if isinstance(listener, EmulatedListener):
        cost = listener.cost
        assert 0 < min(cost.front_end) < min(cost.all)
        assert 0 < cost.stack_bytes <= artifact.manifest.stack_bytes


class Counted:
    """A machine that counts instructions where it is told to."""

    counting = False

    def __init__(self, **results: int) -> None:
        self.results, self.heard, self.free = results, list[tuple[object, ...]](), 64

    def call(self, entry: str, *arguments: object) -> Call:
        self.heard.append((entry, *arguments))
        result = self.results.get(entry.removeprefix("ear_"), 0)
        return Call(result, 100 if self.counting else 0, 8)

    def alloc(self, size: int) -> int:
        self.free += size
        return self.free - size

    def address(self, symbol: str) -> int:
        return 0

    def write(self, at: int, raw: bytes) -> None:
        pass

    def read(self, at: int, size: int) -> bytes:
        return bytes(size)


def test_each_entry_is_counted_however_short_the_words() -> None:
    """Steps of 250 ms: three of a bundled word, fewer than the calls of which one is counted."""
    machine: Any = Counted()
    listener = EmulatedListener(ear(Form.SOURCES), machine)
    hear(listener, FRONT, PCM[:, : 3 * FRONT.block])
    assert listener.cost.front_end == listener.cost.all == [100]


def ear(form: Form) -> Any:
    """An artifact with a front end."""
    manifest = SimpleNamespace(name="ear", front_end=FRONT.to_json(), outputs=2, form=form)
    return SimpleNamespace(path=Path("ear"), manifest=manifest)


def test_a_library_has_its_buffers_side_by_side() -> None:
    """Of the size that it tells, of a block, of the outputs, of the counts."""
    machine: Any = Counted(listener_bytes=1_000)
    listener = EmulatedListener(ear(Form.LIBRARY), machine)
    assert machine.free == 64 + 1_000 + 2 * FRONT.block + 4 * 2 + FRONT.channels
    assert machine.heard == [("ear_listener_bytes",), ("ear_listen_reset", 64)]
    listener.listen(PCM[0, : FRONT.block])
    pcm = 64 + 1_000
    assert machine.heard[-1] == ("ear_listen", 64, pcm, pcm + 2 * FRONT.block)


def test_an_entry_that_refuses_is_an_error() -> None:
    machine: Any = Counted(frontend=-1)
    listener = EmulatedListener(ear(Form.SOURCES), machine)
    with pytest.raises(DeviceError, match="frontend returned -1 in the emulator"):
        listener.count(PCM[0, : FRONT.block])
    assert listener.cost.front_end == []


def test_an_artifact_without_a_front_end_says_how_to_build_one(tmp_path: Path) -> None:
    artifact = artifact_here(cases.network("mixed"), "portable_c", tmp_path)
    assert "front_end" not in artifact.manifest.to_json()
    with pytest.raises(UnsupportedError, match="build it with --with-frontend"):
        front_end_of(artifact)
