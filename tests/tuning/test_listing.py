"""The commands of the store: list, verify, repair, merge, export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.command import cli, refused
from fixtures.tuning import only, schedules, tuned
from helpers import refusal

from delrec_compile.compiler.schedules import choice
from delrec_compile.compiler.schedules.store import Store, read
from delrec_compile.errors import InputError
from delrec_compile.tuning.listing import export_winners


def test_the_commands_of_the_store(fake: None, tmp_path: Path) -> None:
    db, other = tmp_path / "db", tmp_path / "other"
    tuned(db, trials=4)
    tuned(other, trials=6)
    assert "nothing" not in cli("db", "verify", "--db", db).stderr
    path = only(db)
    with path.open("ab") as file:
        file.write(b"garbage\n")
    done = cli("db", "verify", "--db", db)
    assert done.returncode == 3
    assert "line 7: damaged: garbage" in " ".join(done.stdout.split())
    assert "'delrec-compile db repair' sets them aside" in done.stderr
    told = json.loads(cli("db", "repair", "--db", db, "--json").stdout)
    assert told["moved"] == {str(path): 1}
    assert cli("db", "verify", "--db", db).returncode == 0
    before = len(schedules(path))
    told = json.loads(cli("db", "merge", other, "--db", db, "--json").stdout)
    assert told["schema"] == "delrec.db-merge/1"
    assert sum(told["added"].values()) > 0
    assert before < len(set(schedules(path)))
    (row,) = json.loads(cli("db", "ls", "--db", db, "--json").stdout)["files"]
    assert row["state"] == "of other code: not used"
    assert "holds no winner" in refused(3, "db", "export", "--db", db, "-o", tmp_path / "x")
    assert "no such folder" in refused(3, "db", "ls", "--db", tmp_path / "no")


def test_winners_are_exported_into_a_folder_that_can_be_written(
    fake: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned(tmp_path / "db", trials=6)
    store, file = Store(tmp_path / "db"), tmp_path / "text.txt"
    key = read(only(store.folder)).key
    assert key is not None
    monkeypatch.setattr(choice, "code", lambda: key.code)
    file.write_text("text")
    with refusal(InputError, "text.txt is a file; name a folder", 3):
        export_winners(store, file, None, force=True)
    with refusal(InputError, "cannot write /proc/none/", 3):  # not even for root
        export_winners(store, Path("/proc/none"), None, force=True)
    (written,) = export_winners(store, tmp_path / "new" / "tuned", None, force=False)
    assert written.is_file()
    assert file.read_text() == "text"
