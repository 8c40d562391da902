"""delrec-compile train --sweep: options, output, and processes that end with the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from fixtures.cluster import marked, wait_for
from fixtures.command import COMMAND, cli_here, ok_here, refused_here
from fixtures.processes import gone

from delrec_compile.errors import UsageError
from delrec_compile.training import loop

SWEEP = "hidden = 8\nsteps = 20\nmax_delay = 5\nepochs = 2\n[sweep]\nseed = [0, 1]\n"
MARK = "DELREC_TEST_SWEEP"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP)
    return path


def test_a_sweep_is_a_table_and_a_file(tmp_path: Path, tiny_data: Path, file: Path) -> None:
    out = tmp_path / "out"
    line = ("train", tiny_data, "--sweep", file, "-o", out, "--log", "jsonl")
    text = ok_here(*line)
    told = json.loads((out / "results.json").read_text())["runs"]
    for run in told:
        assert run["name"] in text
        assert f"{run['key']}.safetensors" in text
        assert (out / f"{run['key']}.epochs.jsonl").is_file()
    assert "2 trained; wrote" in text
    best = max(told, key=lambda run: run["accuracy"]["valid"])
    assert f"best on validation samples: {best['name']}" in text
    again = json.loads(ok_here(*line, "--json"))
    assert again["trained"] == 0
    assert [run["key"] for run in again["runs"]] == [run["key"] for run in told]
    assert len(again["runs"][0]["history"]) == 2


def test_a_run_that_fails_gives_the_exit_code(
    tmp_path: Path, tiny_data: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverges(*_: object, **__: object) -> None:
        raise UsageError("training diverged")

    monkeypatch.setattr(loop, "train", diverges)
    done = cli_here("train", tiny_data, "--sweep", file, "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "error: 2 of 2 runs failed; seed=0: training diverged" in done.stderr
    assert "training diverged" in done.stdout


def test_options_of_one_training_and_of_several_do_not_mix(
    tmp_path: Path, tiny_data: Path, file: Path
) -> None:
    line = ("train", tiny_data, "--sweep", file, "-o", tmp_path / "out")
    for option, *value in (("--name", "x"), ("--plots",), ("--force",)):
        said = refused_here(2, *line, option, *value)
        assert f"{option} is of one training; omit it, or omit --sweep" in said
    assert "workers is 0; at least 1 is required" in refused_here(2, *line, "--workers", "0")
    assert "is not the address of a scheduler" in refused_here(2, *line, "--cluster", "host:1")
    assert "so does the command line" in refused_here(2, *line, "--seed", "3")
    one = ("train", tiny_data, "-o", tmp_path / "n.safetensors", "--workers", "2")
    assert "share the trainings of a --sweep" in refused_here(2, *one)
    assert "no scheduler answers at tcp://127.0.0.1:1" in refused_here(
        8, *line, "--cluster", "tcp://127.0.0.1:1"
    )
    assert not list(tmp_path.glob("out/*"))


def test_workers_end_with_their_command_and_the_next_one_goes_on(
    tmp_path: Path, tiny_data: Path, file: Path
) -> None:
    """Once by Ctrl-C, once by kill -9, which leaves nobody to clean up."""
    out, mark = tmp_path / "out", f"{MARK}={tmp_path.name}"
    file.write_text(SWEEP.replace("epochs = 2", "epochs = 9999"))  # none ends by itself
    line = [*COMMAND, "train", str(tiny_data), "--sweep", str(file), "-o", str(out)]
    own = {**os.environ, MARK: tmp_path.name, "TMPDIR": str(tmp_path)}
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        before = {p.name: p.stat().st_mtime_ns for p in out.glob("*.unfinished")}
        command = [*line, "--workers", "2"]
        with subprocess.Popen(command, env=own, stderr=subprocess.PIPE, text=True) as process:

            def begun(before: dict[str, int] = before) -> bool:
                now = {p.name: p.stat().st_mtime_ns for p in out.glob("*.unfinished")}
                return len(now) == 2 and all(before.get(name) != t for name, t in now.items())

            wait_for(begun)
            alive = marked(mark)
            process.send_signal(number)
            said = process.stderr.read() if process.stderr else ""
        assert process.returncode == code, said
        assert len(alive) > 2
        assert all(gone(pid) for pid in alive)
        assert "Traceback" not in said
    assert len(list(out.glob("*.unfinished"))) == 2
