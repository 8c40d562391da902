"""`python -m benchmarks.trust`: outcomes of cases, the table, and short forms of its quick rows."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from benchmarks.trust import __main__ as command
from benchmarks.trust import fuzz, sheet, tested
from benchmarks.trust.isolated import ACCEPTED, INTERNAL, REFUSED, SIGNAL, isolated
from benchmarks.trust.minimise import chosen
from benchmarks.trust.mutations import mutated
from benchmarks.trust.readers import READERS, Reader
from benchmarks.trust.row import Result, Scale
from delrec_compile.errors import InputError

QUICK = (3, 4, 12)  # rows that compile nothing


def refused(text: str) -> None:
    raise InputError(text)


def died() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def spin() -> None:
    while True:
        pass


def test_how_a_call_ended() -> None:
    assert isolated(abs, -3).said == "3"
    assert isolated(abs, -3).kind == ACCEPTED
    assert isolated(refused, "no").said == "InputError: no"
    assert isolated(refused, "no").kind == REFUSED
    assert isolated(abs, "x").kind == INTERNAL
    assert isolated(died).said == "SIGKILL"
    hung = isolated(spin, seconds=1)
    assert (hung.kind, hung.said) == (SIGNAL, "SIGXCPU")


def test_a_promise_is_kept_where_something_was_tried() -> None:
    result = Result()
    assert not result.kept
    result.count("refused")
    assert result.kept
    result.count("accepted", "file 3 was accepted")
    assert not result.kept
    assert result.to_json()["outcomes"] == {"refused": 1, "accepted": 1}
    assert result.to_json()["broken"] == ["file 3 was accepted"]


def test_the_table_stands_in_its_document() -> None:
    kept = {
        "kept": True,
        "share": None,
        "tried": 1200,
        "outcomes": {"refused": 1200},
        "broken_count": 0,
    }
    lines = list(
        sheet.table({1: kept, 2: {**kept, "kept": False, "broken_count": 3, "share": 0.2}})
    )
    assert "| short | 1,200 | yes | 1,200 refused |" in lines[2]
    assert "| 20% | 1,200 | **no: 3** |" in lines[3]
    assert "not measured" in lines[4]
    document = sheet.DOCUMENT.read_text()
    again = sheet.with_table(sheet.with_table(document, lines), ["x"])
    assert again.count("\nx\n") == 1
    with pytest.raises(ValueError, match="no place"):
        sheet.with_table("nothing", lines)


def test_each_row_is_there_once() -> None:
    assert len({row.name for row in sheet.ROWS}) == len(sheet.ROWS)
    assert [row.number for row in sheet.ROWS] == list(range(1, 23))
    for row in sheet.ROWS:
        assert all((Path("tests") / room.strip()).is_dir() for room in row.tests.split(","))


def test_rooms_that_are_tested_too_little_are_told(tmp_path: Path) -> None:
    assert len(tested.measure(tmp_path, Scale(), tmp_path).broken) == 2
    rooms = {"ops": {"percent": 99.5}, "runners": {"percent": 94.9}}
    (tmp_path / "coverage.json").write_text(json.dumps({"rooms": rooms}))
    (tmp_path / "mutation.json").write_text(json.dumps({"rooms": {"ops": {"score": 85.0}}}))
    result = tested.measure(tmp_path, Scale(), tmp_path)
    assert result.broken == ["coverage of runners: 94.9 %; 95 % is promised"]
    assert result.tried == 3


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--only", "nothing"]) == 2
    assert "unknown row 'nothing'; allowed: pickles, " in capsys.readouterr().err


@pytest.mark.parametrize("number", QUICK)
def test_the_short_form_of_a_row(number: int, tmp_path: Path) -> None:
    result = sheet.measure(number, str(tmp_path), full=False)
    assert result["kept"], result["broken"]
    assert json.dumps(result)


def test_mutations_change_a_file() -> None:
    raw = bytes(range(200))
    changed = list(mutated(raw, 60))
    assert len(changed) == 60
    assert sum(data != raw for data in changed) >= 58


def test_the_fewest_inputs_reach_what_all_reach() -> None:
    lines = {b"a": {1}, b"ab": {1, 2, 3}, b"abcd": {2, 3}, b"long" * 20: {4}}
    reached = {data: frozenset(("f", n) for n in found) for data, found in lines.items()}
    assert set(chosen(reached)) == {b"ab", b"long" * 20}
    assert chosen(reached, most=10) == [b"ab"]
    assert chosen({}) == []


SEALED = [n for n, reader in READERS.items() if reader.sealed and n != "manifest"]  # it compiles


@pytest.mark.parametrize("name", SEALED)
def test_a_checksum_that_is_made_right_is_believed(name: str, tmp_path: Path) -> None:
    """A damage that the checksum tells is told no more: the reader comes further."""
    reader = READERS[name]
    assert reader.sealed is not None
    path = reader.make(tmp_path)
    good = path.read_bytes()
    assert reader.sealed(b"") is not None
    assert reader.sealed(b"\0" * 100) is not None
    path.write_bytes(reader.sealed(good) if name != "archive" else good)
    reader.read(path)


@pytest.mark.parametrize("name", [n for n, reader in READERS.items() if not reader.in_child])
def test_a_good_file_is_read(name: str, tmp_path: Path) -> None:
    READERS[name].read(READERS[name].make(tmp_path))


def test_fuzzing_without_atheris_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    assert fuzz.main(["network"]) == 5
    assert "atheris is not installed; run: pip install atheris" in capsys.readouterr().err


def test_what_fuzzing_tries_is_a_reader_and_one_line(tmp_path: Path) -> None:
    def read(path: Path) -> None:
        if path.read_bytes() == b"refused":
            raise InputError("two\nlines")
        path.read_bytes().decode("ascii")

    one = fuzz.attempt(Reader(lambda folder: folder, read), tmp_path / "a")
    one(b"read")
    one(b"refused")
    with pytest.raises(UnicodeDecodeError):
        one(b"\xff")
