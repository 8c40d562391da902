"""Every block of every page of the guide runs, or its source says why it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.blocks import REASONS, SHOWN, blocks, documents
from fixtures.reader import Reader, WrongPageError
from fixtures.stage import furnish
from fixtures.tree import name

ALL = [block for page in documents() for block in blocks(page)]
PAGES = [page for page in documents() if any(b.language not in SHOWN for b in blocks(page))]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("stage"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_says_works(page: Path, stage: Path, tmp_path: Path) -> None:
    Reader(page, stage).read(tmp_path / "page")


WRONG = {
    "an option": ("sh", "delrec-compile inspect net.safetensors --colour red", "--colour"),
    "a command": ("sh", "delrec-compile inspekt net.safetensors", "inspekt"),
    "an option of a slow command": ("sh", "delrec-compile train digits/ --layers 3", "--layers"),
    "a target": ("sh", "delrec-compile build --target cortex_m5 -o m5", "cortex_m5"),
    "a file": ("sh", "delrec-compile inspect nothing.safetensors", "exit 3, not 0"),
    "an exit code": ("sh", "delrec-compile inspect # exit 4: it is refused", "exit 0, not 4"),
    "a name of Python": ("python", "delrec_compile.load()", "NameError"),
    "a type of C": ("c", "conv_delay_256_state state; no_type z;", "no_type"),
    "a key of TOML": ("toml", "a = 1\na = 2", "toml block"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_found(what: str, stage: Path, tmp_path: Path) -> None:
    language, body, told = WRONG[what]
    page = tmp_path / "page.md"
    page.write_text(f"Text.\n\n```{language}\n{body}\n```\n")
    with pytest.raises(WrongPageError, match=f"(?s)page.md:4: .*{told}"):
        Reader(page, stage).read(tmp_path / "page")


def test_marks_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '<!-- not run "synth": hours -->\n<!-- quick -->\n<!-- so far -->\n'
        "```sh\nls  # all\nsynth \\\n  me\n```\n"
    )
    (block,) = blocks(page)
    assert block.lines == ["ls  # all", "synth    me"]
    assert [block.reason(line) for line in block.lines] == [None, "hours"]
    assert block.marked("quick") == ""
    assert block.unknown() == ["so far"]


def test_marks_mean_something() -> None:
    unknown = {str(block): block.unknown() for block in ALL if block.unknown()}
    assert not unknown, f"allowed reasons: {', '.join(REASONS)}"


def test_most_blocks_run() -> None:
    """Reasons are few: of the blocks that could run, five in six have a line that does."""
    able = [b for b in ALL if b.language not in SHOWN]
    idle = [b for b in able if all(b.reason(line) for line in b.lines or [""])]
    assert len(able) > 70
    assert len(idle) < len(able) / 6, [str(b) for b in idle]
