"""Runs of a synthesiser, and voices that sound alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.data.speech import Tool, Voice, require_distinct
from delrec_compile.errors import DataError, ToolchainError

TOOL, VOICE = Tool("parrot"), Voice("a", "b")


def wav(samples: list[int], rate: int = 8000) -> bytes:
    head = b"RIFF....WAVEfmt " + bytes(8) + rate.to_bytes(4, "little") + bytes(8)
    return head + b"data" + bytes(4) + np.array(samples, "<i2").tobytes()


def test_a_missing_tool_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with refusal(
        ToolchainError, "parrot is not on PATH; install it with: apt-get install parrot", 5
    ):
        TOOL.find()


def test_a_stream_is_cut_to_its_sound() -> None:
    samples, rate = TOOL.sound(wav([0, 1, 16384, 0, -8192, 2, 0]), "one", VOICE)
    assert rate == 8000
    assert samples.tolist() == [0.5, 0.0, -0.25]
    with refusal(ToolchainError, r"parrot wrote silence for 'one' in voice 'a\+b'", 5):
        TOOL.sound(wav([0, 0, 0]), "one", VOICE)
    with refusal(ToolchainError, r"parrot wrote no WAV stream for voice 'a\+b' \(4 bytes\)", 5):
        TOOL.sound(b"nope", "one", VOICE)


def test_a_failing_tool_is_told_by_its_last_line() -> None:
    assert TOOL.stream(["printf", "abc"], VOICE) == b"abc"
    with refusal(ToolchainError, r"on voice 'a\+b' with status 3: last; re-install", 5):
        TOOL.stream(["sh", "-c", "echo first >&2; echo last >&2; exit 3"], VOICE)
    with refusal(ToolchainError, "status 1: no message", 5):
        TOOL.stream(["false"], VOICE)


def test_a_tool_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELREC_TIMEOUT", "0.3")
    with refusal(ToolchainError, r"parrot took more than 0\.3 s", 5):
        TOOL.run(["sleep", "60"])


def test_voices_that_sound_alike_are_found_by_their_audio() -> None:
    voices = [Voice("a", ""), Voice("b", ""), Voice("c", "")]
    told: list[tuple[str, int, int]] = []
    count = require_distinct(
        voices, lambda v: v.base.encode(), lambda *_: "", 2, lambda *step: told.append(step)
    )
    assert count == 3
    assert told == [("voices", n, 3) for n in (1, 2, 3)]
    with refusal(DataError, "a = c", 3):
        require_distinct(
            voices,
            lambda v: v.base.replace("c", "a").encode(),
            lambda one, other: f"{one.name} = {other.name}",
            2,
            None,
        )
