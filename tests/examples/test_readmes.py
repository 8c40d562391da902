"""The examples are listed, tested, and short to read."""

from __future__ import annotations

import re

import pytest
from fixtures.examples import EXAMPLES, commands
from fixtures.tree import ROOT

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
