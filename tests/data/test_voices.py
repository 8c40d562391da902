"""Voices of espeak-ng that really differ, and its failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.synthesisers import needs_espeak

from delrec_compile.data import voices
from delrec_compile.data.speech import Voice
from delrec_compile.errors import DataError, ToolchainError


def test_espeak_that_fails_or_is_silent_is_reported(fake_espeak: str) -> None:
    with pytest.raises(ToolchainError, match=r"broken\+x.*status 1: no such voice"):
        voices.wav_bytes(fake_espeak, "one", Voice("broken", "x"))
    with pytest.raises(ToolchainError, match="silence"):
        voices.say(fake_espeak, "one", Voice("silent", ""))
    with pytest.raises(ToolchainError, match="no WAV"):
        voices.say(fake_espeak, "one", Voice("en", ""))
    assert voices.espeak_version(fake_espeak) == "fake 1.0"


def test_espeak_that_hangs_is_stopped(fake_espeak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(fake_espeak).write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setenv("DELREC_TIMEOUT", "0.5")
    with pytest.raises(ToolchainError, match=r"espeak-ng took more than 0\.5 s"):
        voices.wav_bytes(fake_espeak, "one", Voice("en", ""))


@needs_espeak
def test_the_real_espeak_has_a_voice_that_ignores_variants() -> None:
    with pytest.raises(DataError, match="en-gb"):
        voices.check_distinct(voices.find_espeak(), [("en-gb", "f3")])
