"""Readers of foreign files in a child: their results, errors, and ends without an answer."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from helpers import refusal

from delrec_compile.errors import DataError, InputError
from delrec_compile.system import limited

HERE = "system.test_limited"


def echo(path: str, word: str) -> dict[str, str]:
    return {"path": path, "word": word}


def refuse(path: str) -> None:
    raise DataError(f"{path}: no data")


def hang(path: str) -> None:
    time.sleep(600)


def fill(path: str) -> Any:
    return len(bytes(limited.MEMORY))


def die(path: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def test_a_result_comes_back(tmp_path: Path) -> None:
    told = limited.call(f"{HERE}:echo", tmp_path, word="a")
    assert told == {"path": str(tmp_path), "word": "a"}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("refuse", "no data"),
        ("fill", "takes more than 16 GB of memory"),
        ("die", "the library that reads it died; the file is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, function: str, message: str) -> None:
    with refusal(InputError, message, 3):
        limited.call(f"{HERE}:{function}", tmp_path, error=DataError)


def test_a_reader_that_never_ends_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited, "SECONDS", 1.0)
    with refusal(DataError, "takes more than 1 s; the file is damaged", 3):
        limited.call(f"{HERE}:hang", tmp_path, error=DataError)


def test_the_mark_of_hdf5_at_every_place_it_may_have(tmp_path: Path) -> None:
    file = tmp_path / "x.h5"
    for before in (0, 512, 1024, 2048):
        file.write_bytes(bytes(before) + limited.MARK)
        assert limited.is_hdf5(file)
    for raw in (b"", b"noise", b" " + limited.MARK, bytes(700) + limited.MARK):
        file.write_bytes(raw)
        assert not limited.is_hdf5(file)
