"""Voices of espeak-ng that really differ, and its failures."""

from __future__ import annotations

import shutil
import tempfile
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


@needs_espeak
def test_variants_that_espeak_does_not_have_are_heard_as_their_files_say() -> None:
    """Also more of them than one data folder may have."""
    espeak = voices.find_espeak()
    files = {f"own{n}": f"language variant\nname own{n}\npitch {60 + n} 150\n" for n in range(400)}
    with voices.with_variants(espeak, files) as folders:
        assert set(folders) == set(files)
        heard = {
            voices.wav_bytes(espeak, "one", Voice("en", name), folders)
            for name in ("own0", "own150", "own399")
        }
        assert len(heard) == 3
        assert all(raw.startswith(b"RIFF") for raw in heard)
        own = voices.wav_bytes(espeak, "one", Voice("en", ""), folders)
        assert own == voices.wav_bytes(espeak, "one", Voice("en", ""))
        assert voices.check_distinct(espeak, [("en", "own0"), ("de", "own9")], folders=folders) == 4
        kept = next(iter(folders.values()))
    assert not kept.exists()
    with voices.with_variants("no program", {}) as folders:
        assert folders == {}


def test_espeak_that_names_no_data_folder_is_reported(
    fake_espeak: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it names none, and the folder that it is run in happens to have such a one."""
    (tmp_path / "voices").mkdir()
    monkeypatch.chdir(tmp_path)
    script = Path(fake_espeak)
    for said in ("fake 1.0  Data at: nowhere", "fake 2.0"):
        script.write_text(f"#!/bin/sh\nprintf '{said}\\nmore\\n'\n")
        with (
            pytest.raises(ToolchainError, match=f"names no folder of voices: '{said}'; re-install"),
            voices.with_variants(fake_espeak, {"own": ""}),
        ):
            pass


@needs_espeak
def test_data_folders_of_other_names_and_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of another name, found by a relative path; and a path that espeak-ng would cut."""
    espeak = voices.find_espeak()
    files = {"own": "language variant\nname own\npitch 60 150\n"}
    with voices.with_variants(espeak, files) as folders:
        want = voices.wav_bytes(espeak, "one", Voice("en", "own"), folders)
    shutil.copytree(voices._data_folder(espeak), tmp_path / "mydata")
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("ESPEAK_DATA_PATH", "mydata")
        with voices.with_variants(espeak, files) as folders:
            assert voices.wav_bytes(espeak, "one", Voice("en", "own"), folders) == want
    deep = tmp_path / ("deep" * 40)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with (
        pytest.raises(
            ToolchainError, match=r"no data folder with a path of \d+ characters.*TMPDIR"
        ),
        voices.with_variants(espeak, files),
    ):
        pass
