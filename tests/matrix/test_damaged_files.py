"""Damaged files of every kind: each is read as it stands or refused, and nothing else is raised.

`DELREC_MUTATIONS=1000 pytest tests/matrix/test_damaged_files.py` tries many more.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.trust.mutations import mutated
from benchmarks.trust.readers import READERS
from delrec_compile.errors import DelrecError
from delrec_compile.system.recognise import recognise

MUTATIONS = int(os.environ.get("DELREC_MUTATIONS", "12"))


@pytest.mark.parametrize("name", READERS)
def test_damage_is_refused_or_read(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path = reader.make(tmp_path)
    reader.read(path)
    raw = path.read_bytes()
    number = MUTATIONS // 6 if reader.in_child else MUTATIONS
    for i, damaged in enumerate(mutated(raw, number)):
        path.write_bytes(damaged)
        try:
            reader.read(path)
        except DelrecError as error:
            if "\n" in str(error):
                pytest.fail(f"mutation {i}: more than one line: {error}")
        except Exception as error:
            pytest.fail(f"mutation {i}: {error!r}")
        recognise(path)
