"""Parts and kinds of voices as a file states them, and those that fit no sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fixtures.shd import write, write_pool
from helpers import refusal

from delrec_compile.data.events import load_events
from delrec_compile.data.limited import describe_limited, speaker_table_limited
from delrec_compile.data.speaker_table import Part
from delrec_compile.data.summary import describe
from delrec_compile.errors import DataError


def test_a_summary_tells_the_voices_of_each_part(tmp_path: Path) -> None:
    path = write_pool(tmp_path / "pool") / "x_pool.h5"
    info = describe(path)
    assert info.parts[0] == Part(4, 2, {"female": 1, "male": 1})
    assert info.lines()[-4:] == [
        "part 0: 4 samples of 2 voices (1 female, 1 male)",
        "part 1: 2 samples of 1 voices (1 male)",
        "part 2: 2 samples of 1 voices (1 male)",
        "part 3: 2 samples of 1 voices (1 klatt)",
    ]
    assert describe_limited(path) == info


def test_kinds_are_optional_and_so_is_the_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", speaker=[0, 1, 2], fold=[0, 1, 2])
    table = speaker_table_limited(path)
    assert table is not None
    assert (table.folds, table.kinds, table.count) == ((0, 1, 2), ("", "", ""), 3)
    assert describe(path).lines()[-1] == "part 2: 1 samples of 1 voices"
    assert speaker_table_limited(write(tmp_path / "b.h5", speaker=[0, 1, 2])) is None


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"fold": [0, 1, 2]}, "no extra/speaker that it could be of"),
        ({"fold": [0, 1, 2], "speaker": [0, 1, 3]}, "speaker 3 has no row in .*, which has 3"),
        ({"fold": [0, 1, 1], "speaker": [0, 1, 2]}, "the parts 0, 1 with samples"),
        ({"fold": [0, 1, 3], "speaker": [0, 1, 2]}, "the parts 0, 1, 3 with samples"),
        ({"fold": [-1, 0, 1], "speaker": [0, 1, 2]}, "the parts -1, 0, 1 with samples"),
        ({"fold": [0, 1, 2, 3], "speaker": [0, 1, 2]}, "none of them empty"),
        (
            {"fold": [0, 1, 2], "speaker": [0, 1, 2], "kind": ["a"]},
            "kind has 1 speakers, .* has 3",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    tmp_path: Path, options: dict[str, Any], why: str
) -> None:
    path = write(tmp_path / "a.h5", **options)
    with refusal(DataError, why, 3):
        speaker_table_limited(path)
    assert len(load_events(path)) == 3


def test_a_table_in_another_file_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", speaker=[0, 1, 2])
    with h5py.File(path, "a") as file:
        file["extra/meta_info/fold"] = h5py.ExternalLink("b.h5", "fold")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["fold"] = np.arange(3)
    with refusal(DataError, "link to another file", 3):
        speaker_table_limited(path)
