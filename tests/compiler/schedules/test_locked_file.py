"""A file that several processes append to."""

from __future__ import annotations

from pathlib import Path

from delrec_compile.compiler.schedules.locked_file import locked, read_all, write


def test_what_nothing_was_written_to_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "db" / "a.jsonl"
    with locked(path) as fd:
        assert read_all(fd) == b""
    assert not path.exists()
    with locked(path) as fd:
        write(fd, b"one\n")
    with locked(path) as fd:
        write(fd, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_file_that_took_its_place_stays(tmp_path: Path) -> None:
    path, other = tmp_path / "a.jsonl", tmp_path / "other"
    other.write_bytes(b"")
    with locked(path):
        other.replace(path)
    assert path.exists()
