"""The command: measures rows, keeps each result, prints the table; whether all promises are kept."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.trust import sheet
from delrec_compile.errors import DelrecError, ParityError
from delrec_compile.system import child
from delrec_compile.system.files import write_atomic
from delrec_compile.system.host import machine

RESULTS = Path(__file__).parents[1] / "results" / "trust.json"
SCHEMA = "delrec.trust/1"
HOURS = 3.0  # the most that one row may take


def main(argv: list[str] | None = None) -> int:
    """Exit code 6 when a promise was broken."""
    options = _parsed(argv)
    names = {row.name: row for row in sheet.ROWS}
    unknown = [name for name in options.only if name not in names]
    if unknown:
        print(f"error: unknown row '{unknown[0]}'; allowed: {', '.join(names)}", file=sys.stderr)
        return 2
    results: dict[int, Any] = _kept() if options.write else {}
    broken = False
    for row in sheet.ROWS:
        if options.only and row.name not in options.only:
            continue
        result = _measured(row, options.full or options.share < 1, options.share)
        broken = broken or not result["kept"]
        results[row.number] = result
        if options.write:
            _keep(row.number, result)
    print(json.dumps(results, indent=1) if options.json else "\n".join(sheet.table(results)))
    return ParityError.exit_code if broken else 0


def _measured(row: sheet.Row, full: bool, share: float) -> dict[str, Any]:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="delrec-trust-") as folder:
        try:
            result: dict[str, Any] = child.call(
                "benchmarks.trust.sheet:measure",
                number=row.number,
                folder=folder,
                full=full,
                share=share,
                timeout_s=HOURS * 3600,
                environment={"OMP_NUM_THREADS": "1"},
            )
        except DelrecError as error:
            result = {"kept": False, "tried": 0, "outcomes": {}, "broken": [str(error)]}
            result["broken_count"] = 1
    result |= {"share": share if full else None, "seconds": round(time.monotonic() - started, 1)}
    word = "kept" if result["kept"] else f"BROKEN: {result['broken'][:3]}"
    text = f"{row.number} {row.name}: {result['tried']} cases, {result['seconds']} s, {word}"
    print(text, file=sys.stderr)
    return result


def _kept() -> dict[int, Any]:
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else {}
    return {int(number): row for number, row in rows.items()}


def _keep(number: int, result: dict[str, Any]) -> None:
    """One more row, beside those that another process may have kept meanwhile."""
    folder = os.open(RESULTS.parent, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        results = _kept() | {number: result}
        rows = {str(number): results[number] for number in sorted(results)}
        text = {"schema": SCHEMA, "machine": machine(), "rows": rows}
        write_atomic(RESULTS, (json.dumps(text, indent=1) + "\n").encode())
        if sheet.DOCUMENT.exists():
            document = sheet.with_table(sheet.DOCUMENT.read_text(), sheet.table(results))
            write_atomic(sheet.DOCUMENT, document.encode())
    finally:
        os.close(folder)


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.trust", description="The fault sheet: promises, measured."
    )
    parser.add_argument("--only", action="append", default=[], help="a row by its name; may repeat")
    parser.add_argument("--full", action="store_true", help="all cases: hours, not minutes")
    parser.add_argument(
        "--share", type=float, default=1.0, help="a share of all cases, such as 0.2"
    )
    parser.add_argument("--write", action="store_true", help="keep the results and the document")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
