"""Damaged files of every kind: each is read as it stands or refused, and nothing else is raised.

`DELREC_MUTATIONS=1000 pytest tests/matrix/test_damaged_files.py` tries many more.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.trust.fuzz import CORPUS, FOUND, attempt, file_name
from benchmarks.trust.mutations import mutated
from benchmarks.trust.readers import READERS

MUTATIONS = int(os.environ.get("DELREC_MUTATIONS", "12"))
LARGEST_CORPUS = 300_000  # bytes of all inputs in the repository


@pytest.mark.parametrize("name", READERS)
def test_damage_is_refused_or_read(name: str, tmp_path: Path) -> None:
    """Damage at random, the inputs that fuzzing chose, and those that once broke the reader."""
    reader = READERS[name]
    path = reader.make(tmp_path)
    reader.read(path)
    raw = path.read_bytes()
    number = MUTATIONS // 6 if reader.in_child else MUTATIONS
    inputs = {f"mutation {i}": data for i, data in enumerate(mutated(raw, number))}
    for folder in (CORPUS, FOUND):
        inputs |= {str(p): p.read_bytes() for p in (folder / file_name(name)).glob("*")}
    one = attempt(reader, path)
    for what, data in inputs.items():
        try:
            one(data)
        except Exception as error:
            pytest.fail(f"{what}: {error!r}")


def test_the_inputs_in_the_repository_are_few_and_of_known_readers() -> None:
    files = [p for folder in (CORPUS, FOUND) for p in folder.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < LARGEST_CORPUS
    assert {p.parent.name for p in files} <= {file_name(name) for name in READERS}
