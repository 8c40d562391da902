"""The exported step of many networks in every runtime that pip or npm brings.

    python -m benchmarks.runtimes --install

Each runtime has an environment of its own in --folder and runs in processes of its own, its state fed
back over 40 steps, beside PyTorch. "same bits": every output and state; "same spikes": every spike, and
each value within 1e-5.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.runtimes import environments, networks, table
from benchmarks.runtimes.environments import ROOT, RUNTIMES, Runtime
from delrec_compile.errors import DelrecError
from delrec_compile.system.files import write_atomic
from delrec_compile.system.host import machine

SCHEMA = "delrec.runtimes/1"
RESULTS = ROOT / "benchmarks" / "results" / "runtimes.json"
PAGE = ROOT / "docs" / "onnx.md"
FOLDER = Path.home() / ".cache" / "delrec-compile" / "runtimes"


def parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.runtimes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the environments")
    parser.add_argument("--install", action="store_true", help="make what is missing (gigabytes)")
    only = "runtimes, separated by commas; the file keeps its rows of others; default: all"
    parser.add_argument("--only", default="", help=only)
    parser.add_argument("--networks", default="", help="networks, in the same way")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the JSON file")
    parser.add_argument("--write", action="store_true", help=f"put the table in {PAGE.name}")
    return parser.parse_args(argv)


def chosen(text: str, known: list[str], what: str) -> list[str]:
    """The names in an option, or all. Exits with 2 for an unknown one."""
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"error: unknown {what} '{unknown[0]}'; allowed: {', '.join(known)}", file=sys.stderr)
        raise SystemExit(2)
    return names or known


def place(row: dict[str, Any]) -> int:
    """Of the runtime of a row in RUNTIMES."""
    return [runtime.name for runtime in RUNTIMES].index(row["runtime"])


def save(path: Path, entries: list[str], rows: list[dict[str, Any]]) -> None:
    """Writes the file after each runtime, so that nothing is lost by an interrupt."""
    titles = {name: networks.ENTRIES[name].title for name in entries}
    ordered = sorted(rows, key=place)
    result = {"schema": SCHEMA, "machine": machine(), "networks": titles, "rows": ordered}
    write_atomic(path, (json.dumps(result, indent=1) + "\n").encode())


def known_rows(path: Path, entries: list[str], runtimes: list[str]) -> list[dict[str, Any]]:
    """Rows that a file has of other runtimes, where it is of the same networks."""
    if not path.exists():
        return []
    result = json.loads(path.read_text())
    known = result["rows"] if list(result["networks"]) == entries else []
    return [row for row in known if row["runtime"] not in runtimes]


def rows_of(runtime: Runtime, folder: Path, files: list[Path]) -> list[dict[str, Any]]:
    """A row for each file, those of a runtime that is not installed too."""
    version = environments.version(runtime, folder)
    if version is None:
        rows = [{"file": f.stem, "verdict": "not installed", "why": "not installed"} for f in files]
    else:
        rows = environments.try_files(runtime, folder, files)
    return [{"runtime": runtime.name, "version": version, **row} for row in rows]


def main(argv: list[str] | None = None) -> int:
    """Prints the table; returns the exit code."""
    options = parsed(argv)
    runtimes = chosen(options.only, [r.name for r in RUNTIMES], "runtime")
    entries = chosen(options.networks, list(networks.ENTRIES), "network")
    rows = known_rows(options.out, entries, runtimes)
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        try:
            files = [networks.write_entry(Path(temporary), name) for name in entries]
        except DelrecError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
        for runtime in (r for r in RUNTIMES if r.name in runtimes):
            if options.install and environments.version(runtime, options.folder) is None:
                environments.make(runtime, options.folder)
            rows += rows_of(runtime, options.folder, files)
            save(options.out, entries, rows)
            print(table.markdown(rows).splitlines()[-1], file=sys.stderr, flush=True)
    if options.write:
        table.write(PAGE, sorted(rows, key=place))
    print(table.markdown(sorted(rows, key=place)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
