"""Voices of flite: listed, distinct, and changed by the options that they obey."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.synthesisers import needs_flite
from helpers import refusal

from delrec_compile.data import flite
from delrec_compile.data.speech import Voice
from delrec_compile.errors import DataError, ToolchainError


def test_a_flite_without_a_voice_is_refused(
    fake_flite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flite.find_flite() == fake_flite
    assert flite.flite_version(fake_flite) == "flite-9.9 Jan 2000"
    monkeypatch.setattr(flite, "VOICES", ("awb", "nosuch"))
    with refusal(ToolchainError, r"no voice 'nosuch' \(flite -lv: .*awb.*re-install", 5):
        flite.find_flite()


def test_a_voice_that_speaks_for_another_is_refused(
    fake_flite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert flite.check_distinct(fake_flite) == 11
    monkeypatch.setenv("DEAF", "1")
    with refusal(
        DataError, r"voices 'awb' \(pitch 50, speed 175\) and 'awb' \(pitch 50, speed 120", 3
    ):
        flite.check_distinct(fake_flite)


def test_pitch_and_speed_are_options_of_the_voices_that_obey_them(fake_flite: str) -> None:
    def said(name: str, **options: int) -> str:
        return flite.wav_bytes(fake_flite, "one", Voice(name, "", **options)).decode()

    assert said("slt") == "-voice slt --setf duration_stretch=1.0000 -t one -o /dev/stdout"
    assert "duration_stretch=2.0000" in said("rms", speed=87) or "2.0115" in said("rms", speed=87)
    assert "int_f0_target_mean=209.29" in said("slt", pitch=80)
    assert "int_f0" not in said("rms", pitch=80)


@needs_flite
def test_the_real_flite_has_voices_that_differ() -> None:
    tool = flite.find_flite()
    assert flite.check_distinct(tool) == 11
    low, high = (flite.wav_bytes(tool, "two", Voice("rms", "", pitch=pitch)) for pitch in (20, 80))
    assert low == high
    short, rate = flite.say(tool, "two", Voice("slt", "", speed=230))
    long, _ = flite.say(tool, "two", Voice("slt", "", speed=120))
    assert rate == 16_000
    assert 1.5 < len(long) / len(short) < 2.5
    assert 0.01 < np.abs(short).max() <= 1
