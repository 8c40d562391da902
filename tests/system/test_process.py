"""How child processes end and answer."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import DataError, DelrecError
from delrec_compile.system.process import crash_message, ending, error_answer, resolve, value_of


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
