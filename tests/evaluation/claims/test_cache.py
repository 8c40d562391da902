"""The store of trainings: keys, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fixtures.claims import PAIR, small_claims
from helpers import refusal

from delrec_compile.errors import DataError, UsageError


def test_a_cache_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    with refusal(
        UsageError,
        "nothere is not a directory, so it holds no training runs; .*--cache",
        2,
        tmp_path,
    ):
        small_claims(tmp_path / "nothere", recorded=True)
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        with refusal(
            UsageError, "cannot be used as the cache of training runs .* with --cache", 2, tmp_path
        ):
            small_claims(path)
        with refusal(UsageError, "is not a directory, so it holds no training runs", 2, tmp_path):
            small_claims(path, recorded=True)


def test_a_damaged_result_is_refused(tmp_path: Path) -> None:
    small_claims(tmp_path, PAIR[:1], seeds=1)
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text()[:40])
    with refusal(DataError, "is damaged .* remove it to train again", 3, tmp_path):
        small_claims(tmp_path, PAIR[:1], seeds=1)


@pytest.mark.parametrize("key", ["schema", "key"])
def test_a_result_of_another_version_or_name_is_refused(tmp_path: Path, key: str) -> None:
    small_claims(tmp_path, PAIR[:1], seeds=1)
    (path,) = tmp_path.glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), key: "another"}))
    with refusal(DataError, "another version or under another name; remove it to train", 3):
        small_claims(tmp_path, PAIR[:1], seeds=1)
