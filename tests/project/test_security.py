"""SECURITY.md: each promise has a test, and is found."""

from __future__ import annotations

import re

from fixtures.tree import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
HEAD = "| what | what it can do | what is promised | what is not | tests |"
# what the page has to speak of
WAYS_IN = (
    *("model file", ".onnx", "artifact folder", "module:function", "delrec.toml", "tracker"),
    *("RPC", "ssh host", "emulator", "$CC", "tuning store", "TOML", "entry point", "Dask"),
)


def rows() -> list[list[str]]:
    lines = TEXT.splitlines()
    start = lines.index(HEAD) + 2
    end = lines.index("", start)
    return [[cell.strip() for cell in re.split(r" \|(?: |$)", line)] for line in lines[start:end]]


def test_each_promise_is_held_by_a_test() -> None:
    for what, _, promised, _, tests, *_ in rows():
        assert promised, what
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", tests)
        assert named, what
        for file, test in named:
            assert f"def {test or 'test_'}" in (ROOT / file).read_text(), f"{file}::{test}"


def test_every_way_in_has_a_row() -> None:
    subjects = " ".join(row[0] for row in rows())
    assert [way for way in WAYS_IN if way not in subjects] == []


def test_it_is_found() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        assert "](SECURITY.md)" in (ROOT / page).read_text()
    assert "security.md" in (ROOT / "mkdocs.yml").read_text()
