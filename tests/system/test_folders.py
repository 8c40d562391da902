"""Folders of processes: the living keep theirs, those of the dead are removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from helpers import refusal, tree

from delrec_compile.errors import InputError
from delrec_compile.system import folders
from delrec_compile.system.folders import place_folder, replace_folder, stage_folder, work_folder

STAGE = """
import sys, time
from pathlib import Path
from delrec_compile.system.folders import stage_folder
with stage_folder(Path(sys.argv[1]), wait=False) as folder:
    (folder / "half").write_text("made")
    print(folder, flush=True)
    time.sleep(600)
"""


def staged(out: Path) -> tuple[subprocess.Popen[str], Path]:
    """Another process with a stage, and the stage."""
    process = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(out)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_stage_of_a_killed_process_is_removed_by_the_next_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process, stage = staged(out)
    try:
        with refusal(InputError, "another process is building", 3), stage_folder(out, wait=False):
            pass
        assert (stage / "half").exists()
        (tmp_path / ".out.delrec-mine").mkdir()
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert stage.exists()
    with stage_folder(out, wait=False) as own:
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([own.name, ".out.delrec-mine"])
    assert [p.name for p in tmp_path.iterdir()] == [".out.delrec-mine"]


def test_a_second_one_waits_for_the_first(tmp_path: Path) -> None:
    order = []
    out = tmp_path / "out"

    def second() -> None:
        with stage_folder(out, wait=True):
            order.append("second")

    with stage_folder(out, wait=True):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert tree(tmp_path) == {}


def test_a_stage_within_a_stage_and_within_temporary_files(tmp_path: Path) -> None:
    """A folder that this process has locked is not locked again: that would never end."""
    line = (
        "from pathlib import Path\n"
        "from delrec_compile.system.folders import stage_folder, work_folder\n"
        "with work_folder() as work, stage_folder(work / 'out', wait=True) as stage:\n"
        "    with stage_folder(stage / 'part', wait=True) as part:\n"
        "        print(part.is_dir())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", line], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "True\n"


def test_temporary_files_of_the_dead_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = tmp_path / "delrec-work-abcdefgh"
    dead.mkdir()
    (dead / "task.json").touch()
    others = [tmp_path / "delrec-abcdefgh", tmp_path / "delrec-work-of-mine"]
    for other in others:
        other.mkdir()
    with work_folder() as one, work_folder() as two:
        assert one.exists()
        assert two.exists()
        assert not dead.exists()
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(folders.fcntl, "flock", none)
    (tmp_path / ".out.delrec-abcdefgh").mkdir()
    with stage_folder(tmp_path / "out", wait=False) as folder:
        assert folder.exists()
    assert [p.name for p in tmp_path.iterdir()] == [".out.delrec-abcdefgh"]


@pytest.mark.parametrize("supported", [True, False])
def test_folders_change_places(
    supported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not supported:
        monkeypatch.setattr(folders, "_renamed", lambda *_: False)
    new, out = tmp_path / "new", tmp_path / "out"
    for folder in (new, out):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    replace_folder(new, out)
    assert [(p / "name").read_text() for p in (new, out)] == ["out", "new"]
    with pytest.raises(FileExistsError):
        place_folder(new, out)
    place_folder(new, tmp_path / "third")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "third"]
    with pytest.raises(OSError, match="No such file"):
        replace_folder(tmp_path / "absent", out)
    assert (out / "name").read_text() == "new"
