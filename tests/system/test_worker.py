"""Workers: state stays, errors come back, deaths and hangs are errors, nobody is left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.processes import gone, thing
from helpers import refusal

from delrec_compile.errors import CompilerCrash, InputError
from delrec_compile.system.worker import Worker


class Refusing:
    def __init__(self) -> None:
        raise InputError("not even made")


def test_the_object_stays_from_call_to_call() -> None:
    with thing(start=5) as warm:
        first, second = warm.call("add", n=2), warm.call("add", n=3)
        assert (first["total"], second["total"]) == (7, 10)
        assert first["pid"] == second["pid"] != os.getpid()
        assert first["session"] != os.getsid(0), "an interrupt at the terminal must not reach it"
        assert len(warm.call("much")) == 3_000_000
    assert gone(first["pid"])


def test_errors_come_back_and_the_child_stays() -> None:
    with thing() as warm:
        pid = warm.call("add", n=1)["pid"]
        with refusal(InputError, "^no such thing$", 3):
            warm.call("refuse")
        with refusal(CompilerCrash, "^fail failed: RuntimeError: second line$", 9):
            warm.call("fail")
        assert warm.call("add", n=1) == {"total": 2, "pid": pid, "session": pid}
    with Worker("system.test_worker:Refusing") as bad, refusal(InputError, "not even made", 3):
        bad.call("anything")


@pytest.mark.parametrize("number", [9, 11])
def test_a_death_is_an_error_and_the_next_call_starts_afresh(number: int) -> None:
    with thing() as warm:
        pid = warm.call("add", n=1)["pid"]
        with refusal(CompilerCrash, "die died with signal SIG.* its log: ", 9):
            warm.call("die", signal_number=number)
        again = warm.call("add", n=1)
        assert again["total"] == 1
        assert again["pid"] != pid


def test_a_hang_is_ended_with_all_it_started() -> None:
    with thing() as warm:
        pid, other = warm.call("add", n=1)["pid"], warm.call("start_another")
        with refusal(CompilerCrash, "hang took more than 1 s and was stopped", 9):
            warm.call("hang", timeout_s=1)
        assert gone(pid)
        assert gone(other)
        assert warm.call("add", n=1)["total"] == 1


def test_a_child_ends_when_its_parent_is_killed() -> None:
    code = (
        "import sys, os; sys.path.insert(0, sys.argv[1])\n"
        "from delrec_compile.system.worker import Worker\n"
        "warm = Worker('fixtures.processes:Thing'); print(warm.call('add', n=1)['pid'], flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    line = [sys.executable, "-c", code, str(Path(__file__).parents[1])]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert gone(int(done.stdout))


def test_a_child_that_hangs_ends_itself_when_its_parent_is_killed() -> None:
    code = (
        "import sys, os, threading; sys.path.insert(0, sys.argv[1])\n"
        "from delrec_compile.system import worker as warm\n"
        "warm.GRACE_S = 0.5; w = warm.Worker('fixtures.processes:Thing')\n"
        "print(w.call('add', n=1)['pid'], flush=True)\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), 9)).start()\n"
        "w.call('hang', timeout_s=1)"
    )
    line = [sys.executable, "-c", code, str(Path(__file__).parents[1])]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    assert gone(int(done.stdout))
