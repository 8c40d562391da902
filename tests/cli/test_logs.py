"""The log of a command."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from delrec_compile.cli import terminal
from delrec_compile.cli.common import Common
from delrec_compile.cli.logs import logged
from delrec_compile.errors import InputError
from delrec_compile.system.toolchain import run_tool


@pytest.fixture(autouse=True)
def _enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package that configures logging in this process has disabled the loggers it found."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("delrec_compile") and isinstance(logger, logging.Logger):
            monkeypatch.setattr(logger, "disabled", False)


WORDS = ("delrec-compile 0", "arguments: ['build'", "inputs", "true 'a b'")


def test_a_file_holds_what_was_asked_said_and_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.log"
    for _ in range(2):
        with logged(Common(["build", "a\x1b[31m"], log_file=file)):
            terminal.remark("inputs: random")
            run_tool(["true", "a b"])
    lines = file.read_text().splitlines()
    assert len(lines) == 8, "it is appended"
    for line, words in zip(lines, WORDS, strict=False):
        assert words in line
    assert "\x1b" not in file.read_text()
    assert capsys.readouterr().err == "inputs: random\n" * 2


def test_an_error_is_logged_with_its_traceback(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    with pytest.raises(InputError), logged(Common([], log_file=file)):
        raise InputError("no such file")
    text = file.read_text()
    assert "InputError: no such file" in text
    assert "Traceback" in text
    assert not logging.getLogger("delrec_compile").handlers


def test_verbose_shows_each_line_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal.set_manners(quiet=False, verbose=True)
    try:
        with logged(Common(["run"], verbose=True)), terminal.saying() as say:
            say("checking spikes")
    finally:
        terminal.set_manners(quiet=False, verbose=False)
    out, err = capsys.readouterr()
    assert (out, err.count("checking spikes")) == ("", 1)


def test_quiet_leaves_stderr_to_errors(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.set_manners(quiet=True, verbose=False)
    try:
        terminal.note("random samples")
        with terminal.saying() as say, terminal.counting("a") as count:
            say("building")
            count(1, 2, "x")
        with terminal.bar("b") as step:
            step(2, 2, "y")
        terminal.show("result")
    finally:
        terminal.set_manners(quiet=False, verbose=False)
    assert capsys.readouterr() == ("result\n", "")


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="--log-file"),
        logged(Common([], log_file=tmp_path / "no" / "a.log")),
    ):
        pass
