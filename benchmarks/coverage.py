"""Branches and lines of each room that tests reach, in processes of their own too.

    python -m benchmarks.coverage tests/ops tests/network    # runs these tests, and adds what they reach
    python -m benchmarks.coverage --write                    # all that was reached so far, as results
    python -m benchmarks.coverage --fresh tests              # everything anew, an hour of two cores

What was reached is kept in build/coverage, as a run of all tests at once is long. It counts for the
sources that it was reached in: start afresh when they changed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from delrec_compile.system.files import write_atomic
from delrec_compile.system.host import machine

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "coverage.json"
KEPT = ROOT / "build" / "coverage"
SCHEMA = "delrec.coverage/1"
ROOMS = ("artifact", "compiler", "evaluation", "network", "ops", "runners")
LEAST = 95.0  # percent of the branches of a room
COUNTS = {
    "branches": "num_branches",
    "branches_covered": "covered_branches",
    "lines": "num_statements",
    "lines_covered": "covered_lines",
}


def main(argv: list[str] | None = None) -> int:
    """Exit code 6 when tests fail, or a room has fewer branches than LEAST."""
    options = _parsed(argv)
    if options.fresh:
        shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    failed = [path for path in options.tests if run(path)]
    rooms = by_room(_report(KEPT)["files"])
    tests = sorted(path.read_text() for path in KEPT.glob("*.tests"))
    result = {"schema": SCHEMA, "machine": machine(), "tests": tests, "rooms": rooms}
    if options.write:
        write_atomic(RESULTS, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1) if options.json else "\n".join(table(rooms)))
    for path in failed:
        print(f"error: tests of {path} fail", file=sys.stderr)
    few = [room for room in ROOMS if room in rooms and rooms[room]["percent"] < LEAST]
    return 6 if failed or few else 0


def run(tests: str) -> int:
    """Runs a file or folder of tests; what it reaches is kept in place of what it reached before."""
    name = tests.strip("/").replace("/", "-")
    for old in KEPT.glob(f"{name}@*"):
        old.unlink()
    data = KEPT / f"{name}@"
    line = ("run", f"--data-file={data}", "-m", "pytest", "-q", tests)
    code = subprocess.run([sys.executable, "-m", "coverage", *line], cwd=ROOT).returncode
    (KEPT / f"{name}.tests").write_text(tests)
    return code


def by_room(files: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The counts of each room, and the percentage of its branches; of a report of coverage.py."""
    found = {room: Counter[str]() for room in ROOMS}
    for path, file in files.items():
        parts = Path(path).parts
        room = next((part for part in parts[:-1] if part in found), None)
        if room is not None and parts[0] in {"delrec_compile", room}:
            for name, key in COUNTS.items():
                found[room][name] += file["summary"][key]
    return {
        room: {**counts, "percent": round(100 * counts["branches_covered"] / counts["branches"], 2)}
        for room, counts in found.items()
        if counts["branches"]
    }


def table(rooms: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """The rooms as Markdown."""
    yield "| room | branches | covered | lines |"
    yield "|---|---|---|---|"
    for room, found in rooms.items():
        lines = 100 * found["lines_covered"] / found["lines"]
        yield f"| {room} | {found['branches']:,} | {found['percent']} % | {lines:.1f} % |"


def _report(kept: Path) -> dict[str, Any]:
    """All data as coverage.py's own report."""
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        data, out = Path(folder) / "data", Path(folder) / "report.json"
        files = map(str, sorted(kept.glob("*@*")))
        command = [sys.executable, "-m", "coverage"]
        combine = ("combine", "-q", "--keep", f"--data-file={data}", *files)
        subprocess.run([*command, *combine], cwd=ROOT, check=True)
        json_report = ("json", "-q", f"--data-file={data}", "-o", str(out))
        subprocess.run([*command, *json_report], cwd=ROOT, check=True)
        report: dict[str, Any] = json.loads(out.read_text())
    return report


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.coverage", description="Branches of each room that tests reach."
    )
    parser.add_argument("tests", nargs="*", help="files or folders of tests to run")
    parser.add_argument("--fresh", action="store_true", help="forget what was reached before")
    parser.add_argument("--write", action="store_true", help="keep the results")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
