"""Sizes that a file may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.data import limits
from delrec_compile.errors import DataError


def test_what_fits_is_taken(tmp_path: Path) -> None:
    limits.require_room(tmp_path, 1000, "counts")
    assert limits.available() > 1 << 20


def test_more_than_half_of_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "available", lambda: 2000)
    limits.require_room(tmp_path, 1000, "counts")
    with refusal(DataError, "counts would take .* of memory", 3):
        limits.require_room(tmp_path, 1001, "counts")


def test_only_a_large_file_can_be_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1000))
    limits.require_no_bomb(path, limits.SMALL)
    with refusal(DataError, "1,000 bytes would unpack to", 3):
        limits.require_no_bomb(path, limits.SMALL + 1)
