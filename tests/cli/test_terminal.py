"""Output for people and programs: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import json
import os
import pty
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from delrec_compile.cli import terminal


def test_json_has_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json("check", passed=True)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"schema": "delrec.check/1", "passed": True}
    assert err == ""


def test_values_become_those_of_json() -> None:
    assert terminal.plain({"path": Path("a"), "sizes": (1, 2)}) == {"path": "a", "sizes": [1, 2]}


def test_text_is_shown_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show("[bold]1[/bold] of 2", "second")
    terminal.show_next("run", Path("out"))
    out, err = capsys.readouterr()
    assert out.splitlines() == ["[bold]1[/bold] of 2", "second", "next: delrec-compile run out"]
    assert err == ""


def test_notes_and_progress_leave_stdout_alone(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.note("2 % of the spikes lie outside")
    with terminal.saying() as say:
        say("building")
    with terminal.counting("tuning") as step:
        step(0, 2, "first")
        step(2, 2, "done")
    with terminal.bar("epochs") as step:
        step(1, 2, "loss 0.1")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[:2] == ["note: 2 % of the spikes lie outside", "building"]
    assert lines[2:4] == ["[1/2] first", "[2/2] done"]
    assert "epochs" in err


HOSTILE = "a[/b] :bug: \x1b]0;OWNED\x07 \x9b2J \udc80"
HARMLESS = r"a[/b] :bug: \x1b]0;OWNED\x07 \x9b2J \udc80"


def test_control_characters_are_shown_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show(HOSTILE)
    terminal.show_line(HOSTILE)
    terminal.note(HOSTILE)
    with terminal.saying() as say:
        say(HOSTILE)
    with terminal.counting("tuning") as step:
        step(0, 1, HOSTILE)
    out, err = capsys.readouterr()
    assert out.splitlines() == [HARMLESS] * 2
    assert err.splitlines() == [f"note: {HARMLESS}", HARMLESS, f"[1/1] {HARMLESS}"]


def test_progress_on_a_terminal_reads_no_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TTY_COMPATIBLE", "1"), ("TERM", "xterm"), ("COLUMNS", "200")):
        monkeypatch.setenv(name, value)
    with terminal.saying() as say:
        say(HOSTILE)
        time.sleep(0.2)  # the spinner draws 12 times a second
    with terminal.bar("a[/b]") as step:
        step(1, 2, HOSTILE)
    err = capsys.readouterr().err
    assert err.count(HARMLESS) >= 2
    assert "OWNED\x07" not in err


@pytest.mark.parametrize("progress", [terminal.saying, lambda: terminal.bar("part")])
def test_results_go_to_their_pipe_while_a_terminal_shows_progress(
    progress: Callable[[], AbstractContextManager[Any]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(ours, "rb", 0) as screen, os.fdopen(theirs, "w") as stderr:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stderr)
            with progress():
                print("result")
        shown = screen.read(1 << 12)
    assert b"result" not in shown
    assert capsys.readouterr().out == "result\n"


@pytest.mark.parametrize(
    "path", ["dir mit Größe/aus gabe", "a'b", "$(touch x)", "x; touch y", "n" * 200]
)
def test_the_next_command_is_one_line_for_a_shell(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.show_next("run", Path(path), "--input", "my samples.npz")
    (line,) = capsys.readouterr().out.splitlines()
    words = shlex.split(line.removeprefix("next: "))
    assert words == ["delrec-compile", "run", path, "--input", "my samples.npz"]


@pytest.mark.parametrize(
    ("files", "first"),
    [
        ((), "alias delrec-compile=\"'{bin}/python' -m delrec_compile\""),
        (("delrec-compile",), "export PATH='{bin}':$PATH"),
        (("delrec-compile", "activate"), ". '{bin}/activate'"),
    ],
)
def test_a_command_that_is_not_on_the_path_is_put_there_first(
    files: tuple[str, ...],
    first: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "my env"
    folder.mkdir()
    for file in files:
        (folder / file).touch()
    monkeypatch.setattr(terminal.shutil, "which", lambda _: None)
    monkeypatch.setattr(terminal.sys, "executable", str(folder / "python"))
    terminal.show_next("run", "out")
    lines = capsys.readouterr().out.splitlines()
    assert [shlex.split(line) for line in lines] == [
        shlex.split(f"first: {first.format(bin=folder)}"),
        shlex.split("next: delrec-compile run out"),
    ]
