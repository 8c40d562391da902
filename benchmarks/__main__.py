"""The command: measures, writes JSON, draws the picture, prints the tables as Markdown."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import picture, studies, tables
from delrec_compile.errors import DelrecError
from delrec_compile.evaluation.latency.bench import ONE_THREAD
from delrec_compile.system.files import write_atomic
from delrec_compile.system.host import machine

RESULTS = Path(__file__).parent / "results"
SCHEMA = "delrec.benchmarks/1"
QUICK_ROUNDS = 3


def main(argv: list[str] | None = None) -> int:
    """Runs the requested studies; returns the exit code."""
    options = parsed(argv)
    os.environ.update(ONE_THREAD)
    selected = [
        s for s in studies.studies(options.quick) if s.name in options.only or not options.only
    ]
    names = [s.name for s in studies.studies()]
    unknown = [name for name in options.only if name not in names]
    if unknown:
        print(f"error: unknown study '{unknown[0]}'; allowed: {', '.join(names)}", file=sys.stderr)
        return 2
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    rounds = QUICK_ROUNDS if options.quick and options.rounds is None else options.rounds
    try:
        if not options.draw:
            run(selected, out, rounds)
    except DelrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    measured = results(out)
    if not measured:
        print(f"error: {out} contains no results; run without --draw", file=sys.stderr)
        return 3
    write_atomic(out / "picture.svg", picture.draw(measured).encode())
    print(tables.markdown(measured))
    print(f"next: open {out / 'picture.svg'}")
    return 0


def run(selected: list[studies.Study], out: Path, rounds: int | None) -> None:
    """Measures each study and writes its file at once, so that nothing is lost by an interrupt."""
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        for study in selected:
            measured = studies.measure(study, Path(folder), rounds, _report)
            result = {"schema": SCHEMA, "machine": machine(), "rounds": rounds, **measured}
            write_atomic(out / f"{study.name}.json", (json.dumps(result, indent=1) + "\n").encode())


def results(out: Path) -> dict[str, dict[str, Any]]:
    """The studies in a folder, in the order of `studies`."""
    files = {s.name: out / f"{s.name}.json" for s in studies.studies()}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few engines and points: for CI")
    parser.add_argument(
        "--only", default="", help="studies to run, separated by commas; default: all"
    )
    parser.add_argument("--rounds", type=int, help="times each engine is measured")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--draw", action="store_true", help="only draw and print stored results")
    options = parser.parse_args(argv)
    options.only = [name for name in options.only.split(",") if name]
    return options


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
