"""Files: written as one, refused before work begins, and folders of the cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import InputError
from delrec_compile.system.files import cache_folder, check_writable, sha256, write_atomic
from delrec_compile.system.folders import work_folder


def test_a_file_is_written_as_one(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b"
    write_atomic(file, b"old")
    write_atomic(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(file.parent.iterdir()) == [file]
    assert sha256(file) == hashlib.sha256(b"new").hexdigest()


WRITES = """
import os, sys, time
from pathlib import Path
from delrec_compile.system.files import write_atomic
os.fsync = lambda _: (print(flush=True), time.sleep(600))
write_atomic(Path(sys.argv[1]), b"half")
"""


def test_what_a_killed_process_wrote_is_removed_by_the_next_write(tmp_path: Path) -> None:
    file = tmp_path / "a"
    write_atomic(file, b"old")
    command = [sys.executable, "-c", WRITES, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (part,) = tmp_path.glob(".a.*")
        write_atomic(file, b"new")
        assert part.exists()  # of a process that lives
        other.kill()
    assert part.exists()
    write_atomic(tmp_path / "b", b"")
    assert part.exists()  # of another file
    write_atomic(file, b"newer")
    assert not part.exists()
    assert file.read_bytes() == b"newer"


def test_a_file_is_written_in_a_folder_that_is_locked() -> None:
    with work_folder() as folder:
        write_atomic(folder / "a", b"new")
        assert (folder / "a").read_bytes() == b"new"


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    write_atomic(file, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refusal(InputError, "cannot write .*a: No space left on device", 3):
        write_atomic(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_places_that_take_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_writable(tmp_path / "new" / "file")
    assert (tmp_path / "new").is_dir()
    with refusal(InputError, "it is a folder; name a file", 3):
        check_writable(tmp_path)
    with refusal(InputError, "cannot write", 3):
        check_writable(tmp_path / "file" / "below")
    with refusal(InputError, "cannot write", 3):
        write_atomic(tmp_path / "file" / "below", b"")


def test_the_folder_of_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DELREC_X", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder("x", "DELREC_X") == Path.home() / ".cache/delrec-compile/x"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder("x", "DELREC_X") == Path("/cache/delrec-compile/x")
    monkeypatch.setenv("DELREC_X", "/mine")
    assert cache_folder("x", "DELREC_X") == Path("/mine")


@pytest.mark.parametrize("inner", ["b", "b/c"])
def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path, inner: str) -> None:
    (tmp_path / "a").write_text("")
    for write in (check_writable, lambda path: write_atomic(path, b"")):
        with refusal(InputError, "cannot write .*/a is a file; name a folder", 3):
            write(tmp_path / "a" / inner)
