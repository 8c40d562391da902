"""Profiles are checked when they are read: each wrong key or value is named, with what is allowed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.errors import UnsupportedError
from delrec_compile.system.chips import KB, MemoryMap, Region
from delrec_compile.system.doctor import PROBES
from delrec_compile.targets.profile import BUILD_TOOLS, Memory
from delrec_compile.targets.schedule import Schedule

FOLDER = Path(targets.__file__).parent
SCHEDULE_KEYS = ", ".join(["features", "mattr", "tuning", *(f.name for f in fields(Schedule))])


def profile(folder: Path, name: str, *changes: tuple[str, str]) -> str:
    """A file with the text of a shipped profile, changed."""
    text = (FOLDER / f"{name}.toml").read_text()
    for old, new in changes:
        assert re.search(old, text, re.M), old
        text = re.sub(old, new, text, count=1, flags=re.M)
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


# one typo in each table, for each form: library, sources, cuda
@pytest.mark.parametrize("name", ["x86_64", "cortex_m4", "cuda"])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("^lanes = .*", "lane = 1", f"[[schedule]] 1: unknown key 'lane'; did you mean 'lanes'?; "
         f"allowed: {SCHEDULE_KEYS}"),
        ("^lanes = .*", 'lanes = "8"', "[[schedule]] 1: lanes = '8'; an integer is required"),
        ("^lanes = .*", "lanes = 3", "[[schedule]] 1: schedule: lanes = 3; a power of two"),
        ("^lanes = .*", "lanes = true", "[[schedule]] 1: lanes = True; an integer"),
        ("^events = .*", 'events = "magic"', "[[schedule]] 1: schedule: events = 'magic'; allowed: "),
        (r"^\[\[schedule\]\]\n(features.*\n)?", '[[schedule]]\nfeatures = "avx2"\n', "[[schedule]] 1: features = 'avx2'; a list"),  # noqa: E501
        ("^how = ", "hwo = ", ": unknown key 'hwo'; did you mean 'how'?; allowed: summary, how,"),
        ("^how = .*", 'how = "emulatd"', ": unknown how 'emulatd'; did you mean 'emulated'?"),
        ("^tools = .*", 'tools = ["zog"]', ": unknown tool 'zog'; did you mean 'zig'?; allowed: cc"),
        ("^tools = .*", 'tools = "zig"', ": tools = 'zig'; a list is required"),
        ("^numeric = .*", 'numeric = ["int4"]', "numeric: unknown numeric mode 'int4'; did you"),
        ("^numeric = .*", "numeric = []", ": a mode in 'numeric' is missing"),
        ("^summary = .*", "", ": 'summary' is missing"),
    ],
)  # fmt: skip
def test_a_typo_is_refused_when_the_profile_loads(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    with refusal(UnsupportedError, re.escape(message), 4):
        targets.load(profile(tmp_path, name, (old, new)))
    with refusal(UnsupportedError, r"^target profile 'mine' \(mine.toml\)", 4):
        targets.load(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("^flash = .*", "flash = 7", r"\[memory\]: flash = 7; a list is required"),
        ("^flash = .*", "flash = [1]", r"\[memory\]: flash = \[1\]; 2 values are required"),
        ("^flash = .*", "flash = [0, 0]", r"\[memory\]: flash = \[0, 0\]; an address of 0 or more"),
        ("^flash = .*", 'flash = [0, "1"]', r"\[memory\]: flash = '1'; an integer"),
        ("^flash = ", "flsh = ", r"\[memory\]: unknown key 'flsh'; did you mean 'flash'.*: chip, "),
        ("^chip = .*", "", r"\[memory\]: 'chip' is missing"),
        ("^stack = .*", "stack = -1", r"\[memory\]: stack = -1; 0 KB or more"),
        ("^tool = ", "tools = ", r"\[flash\]: unknown key 'tools'; did you mean 'tool'"),
        ("^pack = .*", 'pack = "yes"', r"\[flash\]: pack = 'yes'; true or false is required"),
        ("^device = .*", "", r"\[flash\]: 'device' is missing"),
        ("^clock_mhz = .*", 'clock_mhz = "fast"', "clock_mhz = 'fast'; a number is required"),
        ("^core = .*", 'core = "cortex_m44"', "unknown core 'cortex_m44'; did you mean"),
        (
            r"^\[memory\](.|\n)*?\n\n",
            "memory = 3\n",
            r"\[memory\]: not a table; allowed keys: chip",
        ),
    ],
)
def test_a_chip_is_refused_when_its_profile_loads(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with refusal(UnsupportedError, message, 4):
        targets.load(profile(tmp_path, "cortex_m4", (old, new)))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("x86_64", "^mcpu", "mcp", r"\[llvm\]: unknown key 'mcp'; did you mean 'mcpu'"),
        ("arm_cpu_v6", "^events = ", 'bytes = "words"\nevents = ', "'words' is for C text"),
        ("x86_64", "^mcpu.*", "", r"\[llvm\]: 'mcpu' is missing or not text"),
        ("x86_64", "^kind.*", 'kind = "c"', r"\[llvm\]: kind = 'c'; allowed: llvm"),
        ("x86_64", r"^\[llvm\](.|\n)*?\n\n", "", r"form 'library' needs an \[llvm\] table"),
        ("x86_64", r"^\[\[schedule\]\](.|\n)*", "", r"a \[\[schedule\]\] is missing"),
        ("cuda", "^arch.*", "", "form 'cuda' needs 'arch', and no other form has it"),
        (
            "cortex_m4",
            "^form = .*",
            'form = "source"',
            "unknown form 'source'; did you mean 'sources'",
        ),
        ("portable_c", "^how", 'arch = "sm_80"\nhow', "form 'cuda' needs 'arch'"),
    ],
)
def test_a_form_has_what_it_needs(
    tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    with refusal(UnsupportedError, message, 4):
        targets.load(profile(tmp_path, name, (old, new)))


def test_a_memory_is_in_kilobytes_and_its_map_in_bytes() -> None:
    memory = Memory.from_table({"chip": "x", "flash": [64, 2], "ram": [8192, 1]}, "here")
    assert memory.map == MemoryMap("x", Region(64, 2 * KB), Region(8192, KB), 4 * KB)
    assert Memory.from_table(memory.to_json(), "here") == memory


@pytest.mark.parametrize("name", targets.names())
def test_tables_come_back_as_they_are_written(name: str) -> None:
    """A manifest records the tables of the profile as they are."""
    table = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    target = targets.load(name)
    assert (target.memory.to_json() if target.memory else None) == table.get("memory")
    assert (target.flash.to_json() if target.flash else None) == table.get("flash")
    assert target.llvm == table.get("llvm", {})


def test_tools_are_those_of_the_doctor() -> None:
    assert set(BUILD_TOOLS) == set(PROBES)


def test_a_numeric_mode_that_a_target_has_not() -> None:
    assert targets.load("x86_64").numeric_mode("int8") is Numeric.INT8
    narrow = replace(targets.load("cuda"), numeric=(Numeric.FLOAT32,))
    with refusal(UnsupportedError, "'cuda' has no numeric mode 'int8'; allowed: float32", 4):
        narrow.numeric_mode("int8")
