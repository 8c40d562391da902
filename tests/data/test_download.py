"""A file by HTTP: cut, continued, refused, too large, and from servers that know no ranges."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.archives import NAMES, ArchiveServer
from helpers import refusal

from delrec_compile.data import download as d
from delrec_compile.errors import DataError, UsageError


def test_a_file_is_brought_with_its_progress(archive_server: ArchiveServer, tmp_path: Path) -> None:
    raw, told = archive_server.files[NAMES[0]], list[tuple[int, int]]()
    brought = d.download(
        f"{archive_server.url}/{NAMES[0]}", tmp_path / "a", lambda *s: told.append(s)
    )
    assert (tmp_path / "a").read_bytes() == raw
    assert (brought, told[-1]) == (len(raw), (len(raw), len(raw)))
    assert d.md5(tmp_path / "a") == archive_server.archives[0].md5


def test_a_cut_connection_is_continued_where_it_ended(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    raw = archive_server.files[NAMES[0]]
    archive_server.cut = [100, 50]
    assert d.download(f"{archive_server.url}/{NAMES[0]}", tmp_path / "a") == len(raw)
    assert (tmp_path / "a").read_bytes() == raw
    assert archive_server.asked == ["", "bytes=100-", "bytes=150-"]


def test_a_connection_that_stays_cut_keeps_what_came(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    raw, url = archive_server.files[NAMES[0]], f"{archive_server.url}/{NAMES[0]}"
    archive_server.cut = [10] * d.TRIES
    with refusal(DataError, "cut after 40 bytes, which are kept; the same command goes on", 3):
        d.download(url, tmp_path / "a")
    archive_server.cut = [10, 0]
    with refusal(DataError, "cut after 50 bytes", 3):
        d.download(url, tmp_path / "a")
    assert d.download(url, tmp_path / "a") == len(raw) - 50
    assert (tmp_path / "a").read_bytes() == raw


def test_a_server_without_ranges_starts_afresh(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    raw = archive_server.files[NAMES[0]]
    archive_server.ranges = False
    (tmp_path / "a").write_bytes(b"x" * (len(raw) + 7))
    assert d.download(f"{archive_server.url}/{NAMES[0]}", tmp_path / "a") == len(raw)
    assert (tmp_path / "a").read_bytes() == raw


def test_a_part_that_is_whole_or_longer_than_the_file(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    raw, url = archive_server.files[NAMES[0]], f"{archive_server.url}/{NAMES[0]}"
    (tmp_path / "a").write_bytes(raw)
    assert d.download(url, tmp_path / "a") == 0
    (tmp_path / "a").write_bytes(raw + b"more")
    assert d.download(url, tmp_path / "a") == len(raw)
    assert (tmp_path / "a").read_bytes() == raw


def test_a_server_that_states_no_length(archive_server: ArchiveServer, tmp_path: Path) -> None:
    archive_server.lengths = False
    d.download(f"{archive_server.url}/{NAMES[0]}", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == archive_server.files[NAMES[0]]


def test_what_cannot_be_had_is_one_line(archive_server: ArchiveServer, tmp_path: Path) -> None:
    with refusal(DataError, "nosuch: the server answers 404 Not Found; name another place", 3):
        d.download(f"{archive_server.url}/nosuch", tmp_path / "a")
    with refusal(DataError, "cannot be reached: .*refused; connect this machine, or", 3):
        d.download("http://127.0.0.1:9/x", tmp_path / "a")
    for url in ("file:///etc/passwd", "ftp://host/x", "https:///x", "host/x"):
        with refusal(UsageError, "one that begins with https:// is required", 2):
            d.check_url(url)


def test_a_silent_server_is_given_up(
    archive_server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(d, "SILENCE_S", 1.0)
    monkeypatch.setattr(d, "TRIES", 2)
    archive_server.stall = 30
    with refusal(DataError, "cut after 60 bytes", 3):
        d.download(f"{archive_server.url}/{NAMES[0]}", tmp_path / "a")


def test_sizes_are_looked_at_before_anything_is_written(
    archive_server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, size = f"{archive_server.url}/{NAMES[0]}", len(archive_server.files[NAMES[0]])
    monkeypatch.setattr(d, "SPARE", 1 << 60)
    with refusal(DataError, "MB are to be written, and the disk has .* MB free; make room", 3):
        d.download(url, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    monkeypatch.setattr(d, "SPARE", 0)
    monkeypatch.setattr(d, "LARGEST", size - 1)
    for lengths in (True, False):
        archive_server.lengths = lengths
        with refusal(DataError, f"has more than {size - 1:,} bytes", 3):
            d.download(url, tmp_path / "a")
