"""The time that is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from delrec_compile.cli import durations
from delrec_compile.cli.durations import Durations, clock, left, minutes


def test_a_part_is_known_by_its_command_and_text(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "durations.json"
    build = Durations(file, "build")
    build.took("checking", 1.0)
    assert not file.exists(), "what is short is not worth a file"
    build.took("checking", 12.34)
    assert build.expected("checking") == 12.3
    assert Durations(file, "run").expected("checking") is None
    assert "checking" not in file.read_text()


def test_the_oldest_parts_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "MOST", 2)
    known = Durations(tmp_path / "d.json", "")
    for part in ("a", "b", "a", "c"):
        known.took(part, 5)
    assert [known.expected(part) for part in "abc"] == [5, None, 5]


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": "b"}', "\udcff", "[" * 100_000])
def test_a_damaged_file_is_as_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "d.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    known = Durations(file, "")
    assert known.expected("a") is None
    known.took("a", 3)
    assert json.loads(file.read_text())
    assert known.expected("a") == 3


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    Durations(tmp_path / "file" / "d.json", "").took("a", 9)


@pytest.mark.parametrize(
    ("elapsed", "expected", "text"),
    [
        (1.0, 30.0, ""),
        (5.0, None, "0:05"),
        (5.0, 65.0, "0:05, about 1:00 left"),
        (3700.0, 60.0, "1:01:40, longer than the last time"),
    ],
)
def test_a_clock_says_what_is_known(elapsed: float, expected: float | None, text: str) -> None:
    assert clock(elapsed, expected) == text


def test_equal_parts_say_what_is_left() -> None:
    assert left(60, 1, 3) == " (about 2:00 left)"
    assert left(60, 0, 3) == left(60, 3, 3) == left(1, 1, 3) == ""
    assert minutes(59.6) == "1:00"


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "-1", "1e300", "9" * 400])
def test_what_is_no_time_is_not_known(seconds: str, tmp_path: Path) -> None:
    known = Durations(tmp_path / "d.json", "build")
    known.took("checking", 3)
    (key,) = json.loads(known.file.read_text())
    known.file.write_text(f'{{"{key}": {seconds}}}')
    assert clock(5, Durations(known.file, "build").expected("checking")) == "0:05"
