"""How child processes end and answer."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from fixtures.processes import gone
from helpers import refusal

from delrec_compile.errors import DataError, DelrecError, UsageError
from delrec_compile.system.process import (
    LIMIT,
    Group,
    crash_message,
    ending,
    error_answer,
    limit_s,
    resolve,
    run_program,
    timeout_message,
    value_of,
)


def test_endings_in_words() -> None:
    assert ending(-signal.SIGSEGV) == "signal SIGSEGV"
    assert ending(-200) == "signal 200"
    assert ending(0) == "exit code 0"
    assert ending(3) == "exit code 3"


def test_a_crash_is_one_line_with_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = crash_message("m:f", -9, "first\nlast é\n", "printed\n")
    (log,) = tmp_path.iterdir()
    assert text == f"the process of m:f died with signal SIGKILL (last é); its log: {log}"
    assert log.read_text() == "printed\nfirst\nlast é\n"
    assert "(no message)" in crash_message("m:f", 1, "")


def test_a_name_is_resolved() -> None:
    assert resolve("pathlib:Path") is Path


def test_errors_cross_processes() -> None:
    assert value_of({"value": [1]}) == [1]
    with refusal(DataError, "x is wrong", 3):
        value_of(error_answer(DataError("x is wrong")))
    with refusal(DelrecError, "unknown kind", 1):
        value_of({"error": "NoSuchError", "message": "unknown kind"})


def test_the_limit_of_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT, raising=False)
    assert limit_s(5.0) == 5.0
    monkeypatch.setenv(LIMIT, "1.5")
    assert limit_s(5.0) == 1.5
    for text in ("x", "0", "-1", "inf", "nan"):
        monkeypatch.setenv(LIMIT, text)
        with refusal(UsageError, f"DELREC_TIMEOUT={text}: a number of seconds above 0", 2):
            limit_s(5.0)


def test_a_call_that_took_too_long_keeps_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = timeout_message("m:f", 2.0, "half\n")
    (log,) = tmp_path.iterdir()
    assert text.endswith(f"was stopped; allow more with DELREC_TIMEOUT=SECONDS; its log: {log}")
    assert log.read_text() == "half\n"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    assert timeout_message("m:f", 2.0, "half\n").endswith("=SECONDS")


GRANDCHILD = """
import subprocess, sys, time
from delrec_compile.system.process import end_with_parent
end_with_parent(int(sys.argv[1]))
print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""


def test_a_group_ends_with_all_that_it_started() -> None:
    group = Group(GRANDCHILD, stdout=subprocess.PIPE)
    assert group.process.stdout is not None
    grandchild = int(group.process.stdout.readline())
    assert group.end() == -signal.SIGKILL
    assert gone(grandchild)


def test_a_group_ends_when_its_parent_is_killed() -> None:
    parent = (
        "import os, subprocess, sys; from delrec_compile.system.process import Group\n"
        "group = Group(sys.argv[1], stdout=subprocess.PIPE)\n"
        "print(group.process.pid, int(group.process.stdout.readline()), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    line = [sys.executable, "-c", parent, GRANDCHILD]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert all(gone(int(pid)) for pid in done.stdout.split())


STARTS = "sleep 600 & echo $! >&2; wait"


def test_a_program_and_what_it_wrote() -> None:
    done = run_program(["sh", "-c", "echo é; printf '\\377' >&2; exit 3"], 60)
    assert (done.returncode, done.stdout, done.stderr) == (3, "é\n", "\ufffd")
    broken = run_program(["sh", "-c", "kill -PIPE $$"], 60)  # Python ignores this signal
    assert broken.returncode == -signal.SIGPIPE


def test_a_program_that_takes_too_long_ends_with_all_that_it_started() -> None:
    with pytest.raises(subprocess.TimeoutExpired) as late:
        run_program(["sh", "-c", STARTS], 1.0)
    assert gone(int(late.value.stderr or 0))


def test_a_program_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    said = tmp_path / "said"
    parent = (
        "import sys; from delrec_compile.system.process import run_program\n"
        "run_program(['sh', '-c', sys.argv[1]], 600)"
    )
    hangs = f"sleep 600 & echo $$ $! > {said}.part; mv {said}.part {said}; wait"
    with subprocess.Popen([sys.executable, "-c", parent, hangs]) as process:
        while not said.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
    assert all(gone(int(pid)) for pid in said.read_text().split())
