"""The examples are listed, tested, and short to read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from fixtures.examples import EXAMPLES, Makers, commands
from fixtures.tree import ROOT

from delrec_compile.data.samples import read_samples

NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
LONGEST = 20


def test_all_are_listed() -> None:
    listed = re.findall(r"^\| \[(\w+)\]", (ROOT / "docs" / "examples.md").read_text(), re.MULTILINE)
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("example", NAMES)
def test_an_example_is_short_to_read_and_has_a_test(example: str) -> None:
    assert len((EXAMPLES / example / "README.md").read_text().splitlines()) <= LONGEST
    assert commands(example)
    tests = (ROOT / "tests" / "examples").glob("test_*.py")
    assert any(f'"{example}"' in test.read_text() for test in tests)


def test_the_words_are_files_of_bytes(makers: Makers, tmp_path: Path) -> None:
    makers.words(tmp_path / "words")
    index = json.loads((tmp_path / "words" / "index.json").read_text())
    samples = read_samples("samples")
    assert index["labels"] == list(samples.keys)
    for number, name in enumerate(index["files"]):
        data = np.fromfile(tmp_path / "words" / name, np.uint8).reshape(samples.counts.shape[1:])
        np.testing.assert_array_equal(data, samples.counts[number])
        assert name == f"{number:02}_{samples.keys[samples.labels[number]]}.u8"
