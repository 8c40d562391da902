"""Caches of users without a home: in a container, or with a home that cannot be written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import InputError
from delrec_compile.system import home
from delrec_compile.system.home import settle_home


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("LOGNAME", "me")
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path
    os.environ.pop("XDG_CACHE_HOME", None)


def nobody() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_a_home_is_left_alone(temporary: Path) -> None:
    settle_home()
    assert "XDG_CACHE_HOME" not in os.environ
    assert list(temporary.iterdir()) == []


def test_an_unknown_user_gets_a_private_one(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "home", nobody)
    private = temporary / f"delrec-compile-{os.getuid()}"
    settle_home()
    assert os.environ["HOME"] == str(private)
    assert private.stat().st_mode & 0o777 == 0o700
    settle_home()
    private.chmod(0o777)
    with refusal(InputError, "is not this user's alone; set HOME", 3):
        settle_home()
    private.rmdir()
    private.symlink_to(temporary)
    with refusal(InputError, "is not this user's alone; set HOME", 3):
        settle_home()
    private.unlink()
    private.touch()
    with refusal(InputError, "no home, and .*; set HOME", 3):
        settle_home()


@pytest.mark.parametrize("place", ["file/deep", "locked"])
def test_a_home_that_cannot_be_written(
    place: str, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (temporary / "file").touch()
    (temporary / "locked").mkdir()
    monkeypatch.setenv("HOME", str(temporary / place))
    monkeypatch.setattr(home.os, "access", lambda path, mode: Path(path).name != "locked")
    settle_home()
    assert os.environ["XDG_CACHE_HOME"] == str(temporary / f"delrec-compile-{os.getuid()}")
