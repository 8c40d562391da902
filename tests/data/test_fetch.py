"""Published data sets: verified, unpacked whole or not at all, continued after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from fixtures.archives import NAMES, ArchiveServer, zipped
from fixtures.shd import write
from helpers import refusal

from delrec_compile.data import download, fetch
from delrec_compile.data.sets import load_sets
from delrec_compile.errors import DataError, UsageError

CHILD = """
import json, sys
from delrec_compile.data.fetch import Archive, fetch
out, url, archives = json.loads(sys.argv[1])
fetch("shd", out, url=url, archives=[Archive(**a) for a in archives])
"""


def bring(server: ArchiveServer, out: Path, **options: object) -> fetch.FetchReport:
    given = {"url": server.url, "archives": server.archives, **options}
    return fetch.fetch("shd", out, **given)  # type: ignore[arg-type]


def test_a_data_set_is_fetched_and_can_be_trained_on(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    told: list[str] = []
    out = tmp_path / "new" / "shd"
    made = bring(archive_server, out, progress=lambda name, *_: told.append(name))
    assert sorted(path.name for path in out.iterdir()) == [
        *("LICENCE.txt", "shd_test.h5", "shd_train.h5")
    ]
    assert [path.name for path in out.parent.iterdir()] == ["shd"]
    assert made.brought == sum(map(len, archive_server.files.values()))
    assert set(told) == set(NAMES)
    assert "CC BY 4.0" in (out / "LICENCE.txt").read_text()
    assert "Cramer" in (out / "LICENCE.txt").read_text()
    assert len(load_sets(out).test) == 3
    with refusal(DataError, "is not empty", 3, clean=out):
        bring(archive_server, out)
    assert bring(archive_server, out, force=True).brought == made.brought


def test_the_checksums_are_pinned_and_a_wrong_one_is_no_data_set(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    assert [len(files) for files in fetch.SOURCES.values()] == [2, 3]
    assert all(len(a.md5) == 32 for files in fetch.SOURCES.values() for a in files)
    out = tmp_path / "shd"
    pinned = fetch.SOURCES["shd"][0].md5
    with refusal(DataError, f"shd_train.h5.zip has the checksum .*, and {pinned} is required", 3):
        fetch.fetch("shd", out, url=archive_server.url)
    assert not out.exists()
    assert list((tmp_path / "shd.parts").iterdir()) == []


def test_a_killed_download_goes_on_where_it_was(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    archive_server.stall = 200
    out, part = tmp_path / "shd", tmp_path / "shd.parts" / f"{NAMES[0]}.part"
    request = json.dumps(
        [str(out), archive_server.url, [asdict(a) for a in archive_server.archives]]
    )
    child = subprocess.Popen([sys.executable, "-c", CHILD, request])
    try:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert not out.exists()
    there, archive_server.stall = part.stat().st_size, 0
    assert 0 < there <= 200
    made = bring(archive_server, out)
    assert archive_server.asked[1] == f"bytes={there}-"
    assert made.brought == sum(map(len, archive_server.files.values())) - there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published", "shd"]


def test_what_is_verified_already_is_not_brought_again(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    removed = archive_server.files.pop(NAMES[1])
    missing = fetch.Archive(NAMES[1], "0" * 32)
    archives = (*archive_server.archives, missing)
    with refusal(DataError, "404", 3):
        bring(archive_server, tmp_path / "shd", archives=archives)
    archive_server.files[NAMES[1]] = removed
    assert bring(archive_server, tmp_path / "shd").brought == len(removed)


def test_a_mirror_is_asked_where_the_first_place_fails(
    archive_server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "BASES", (f"{archive_server.url}/moved/", archive_server.url))
    assert bring(archive_server, tmp_path / "shd", url=None).brought


def test_archives_with_another_content_are_refused(
    archive_server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "other.h5")
    for raw, why in (
        (zipped(path), r"has no file shd_train\.h5; present: other\.h5"),
        (b"no archive", "is no intact .zip file"),
    ):
        archive_server.files[NAMES[0]] = raw
        with refusal(DataError, why, 3):
            bring(archive_server, tmp_path / "shd")
        assert not (tmp_path / "shd").exists()
    archive_server.files[NAMES[0]] = zipped(path, f"../../{NAMES[0].removesuffix('.zip')}")
    made = bring(archive_server, tmp_path / "shd")
    assert made.files[NAMES[0]] == tmp_path / "shd" / "shd_train.h5"
    monkeypatch.setattr(fetch, "LARGEST", 100)
    with refusal(DataError, "would unpack to", 3):
        bring(archive_server, tmp_path / "other")


def test_a_full_disk_is_one_line(
    archive_server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shd.parts").mkdir()
    (tmp_path / "shd.parts" / f"{NAMES[0]}.part").symlink_to("/dev/full")
    with refusal(DataError, "shd cannot be written: No space left on device", 3):
        bring(archive_server, tmp_path / "shd")
    monkeypatch.setattr(download, "SPARE", 1 << 60)
    with refusal(DataError, "the disk has .* MB free; make room", 3):
        bring(archive_server, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_usage_is_refused_before_anything_is_asked(
    archive_server: ArchiveServer, tmp_path: Path
) -> None:
    with refusal(UsageError, "the data set is 'shdd'; allowed: shd, ssc; did you mean 'shd'", 2):
        fetch.fetch("shdd", tmp_path / "x")
    with refusal(UsageError, "begins with https://", 2, clean=tmp_path):
        fetch.fetch("shd", tmp_path / "x", url="file:///x")
    assert archive_server.asked == []
    assert replace(archive_server.archives[0], md5="").file == "shd_train.h5"
