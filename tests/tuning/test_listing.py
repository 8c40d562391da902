"""The commands of the store: list, verify, repair, merge, export."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures.command import cli, refused
from fixtures.tuning import only, schedules, tuned


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
    assert json.loads(cli("db", "ls", "--db", tmp_path / "no", "--json").stdout)["files"] == []
