"""The rows of the sheet, and its table."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.trust.row import Result, Scale

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
MARKS = "<!-- rows: made by `python -m benchmarks.trust --write` -->\n", "<!-- end of rows -->\n"


@dataclass(frozen=True)
class Row:
    """A promise of the sheet: its number, a word for it, and `module:function` that measures it.

    tests: where CI holds the promise.
    """

    number: int
    name: str
    promise: str
    measure: str
    tests: str


ROWS = (
    Row(1, "pickles", "No file runs code when it is read", "pickles:measure", "network, interop"),
    Row(2, "files", "A cut or flipped file is refused", "flips:files", "artifact"),
    Row(3, "keys", "A wrong key or shape is refused by name", "values:keys", "network"),
    Row(4, "numbers", "A wrong value is refused by name", "values:numbers", "network"),
    Row(5, "memory", "No state or input makes C leave its arrays", "memory:measure", "matrix"),
    Row(6, "foreign", "Any other file is refused or read, soon", "foreign:measure", "matrix"),
    Row(7, "faults", "Faulty inputs are forgotten", "streams:faults", "matrix"),
    Row(8, "states", "A state of another network is refused", "streams:states", "runners"),
    Row(9, "parity", "Spikes are equal in all engines", "networks:parity", "matrix"),
    Row(10, "cuts", "A stream may be cut anywhere", "streams:cuts", "matrix"),
    Row(11, "kills", "A kill tears and leaves nothing", "kills:measure", "system, training"),
    Row(12, "records", "Tuning records outlive damage", "records:measure", "compiler/schedules"),
    Row(13, "disks", "Bad places are refused, odd ones work", "places:disks", "cli, system"),
    Row(14, "crowd", "Eight at once do not disturb each other", "places:crowd", "system"),
    Row(15, "children", "A dead or hanging compiler is told", "children:measure", "system"),
    Row(16, "plants", "`doctor` names what is wrong", "plants:measure", "system"),
    Row(17, "same", "The same network gives the same bytes", "same:measure", "compiler"),
    Row(18, "sources", "Generated C is clean", "sources:strict", "matrix"),
    Row(19, "weights", "A flipped weight fails the self-test", "flips:self_test", "compiler"),
    Row(20, "tested", "Tests reach the code and notice changes", "tested:measure", "project"),
    Row(21, "sizes", "Sizes are those of the image", "sources:sizes", "artifact"),
    Row(22, "refusals", "A refusal comes at once", "refusals:measure", "cli"),
)


def measure(number: int, folder: str, full: bool, share: float = 1.0) -> dict[str, Any]:
    """One row, in this process; its result as JSON."""
    row = next(r for r in ROWS if r.number == number)
    module, function = row.measure.split(":")
    call = getattr(importlib.import_module(f"benchmarks.trust.{module}"), function)
    place = Path(folder) / row.name
    place.mkdir()
    result: Result = call(place, Scale(full, share))
    return result.to_json()


def table(results: Mapping[int, Mapping[str, Any]]) -> Iterable[str]:
    """The rows as Markdown. form: how much of each was measured."""
    yield "| # | promise | form | cases | kept | outcomes | command, tests |"
    yield "|---|---|---|---|---|---|---|"
    for row in ROWS:
        found = results.get(row.number)
        if found is None:
            figures = "not measured | | | "
        else:
            kept = "yes" if found["kept"] else f"**no: {found['broken_count']}**"
            ways = ", ".join(f"{n:,} {way}" for way, n in sorted(found["outcomes"].items()))
            figures = f"{_form(found)} | {found['tried']:,} | {kept} | {ways}"
        yield f"| {row.number} | {row.promise} | {figures} | `--only {row.name}`, tests/{row.tests} |"


def _form(found: Mapping[str, Any]) -> str:
    share = found["share"]
    return "short" if share is None else "full" if share == 1 else f"{share:.0%}"


def with_table(document: str, lines: Iterable[str]) -> str:
    """The document with the rows between its marks. Raises ValueError where there are none."""
    start, end = MARKS
    pattern = re.compile(re.escape(start) + ".*?" + re.escape(end), re.DOTALL)
    if not pattern.search(document):
        raise ValueError("the document has no place for rows")
    return pattern.sub(lambda _: start + "".join(f"{line}\n" for line in lines) + end, document)
