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
from delrec_compile.errors import UnsupportedError
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

    def call(self, entry: str, *_: object) -> Call:
        return Call(0, 100 if self.counting else 0, 8)

    def address(self, symbol: str) -> int:
        return 0

    def write(self, at: int, raw: bytes) -> None:
        pass

    def read(self, at: int, size: int) -> bytes:
        return bytes(size)


def test_each_entry_is_counted_however_short_the_words() -> None:
    """Steps of 250 ms: three of a bundled word, fewer than the calls of which one is counted."""
    manifest = SimpleNamespace(name="ear", front_end=FRONT.to_json(), outputs=2, form=Form.SOURCES)
    artifact: Any = SimpleNamespace(path=Path("ear"), manifest=manifest)
    machine: Any = Counted()
    listener = EmulatedListener(artifact, machine)
    hear(listener, FRONT, PCM[:, : 3 * FRONT.block])
    assert listener.cost.front_end == listener.cost.all == [100]


def test_an_artifact_without_a_front_end_says_how_to_build_one(tmp_path: Path) -> None:
    artifact = artifact_here(cases.network("mixed"), "portable_c", tmp_path)
    assert "front_end" not in artifact.manifest.to_json()
    with pytest.raises(UnsupportedError, match="build it with --with-frontend"):
        front_end_of(artifact)
