"""The command: mutants drawn by a seed, the tests run on each, the survivors named.

python -m benchmarks.mutation --sample 100 --seed 1 [--room ops] [--write]

What was noticed is kept in build/mutation: a run that was cut is taken up by the same line, and one
after new tests tries only the survivors. --fresh tries all, as is due when sources changed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.mutation.score import ROOMS, interval, measure, named
from delrec_compile.system.files import write_atomic
from delrec_compile.system.host import machine

RESULTS = Path(__file__).parents[1] / "results" / "mutation.json"
KEPT = Path(__file__).parents[2] / "build" / "mutation"
EQUIVALENT = Path(__file__).parent / "equivalent.toml"
SCHEMA = "delrec.mutation/1"
LEAST = 85.0  # percent of the mutants that are not equivalent


def main(argv: list[str] | None = None) -> int:
    """Exit code 6 when tests notice too few of a room's mutants."""
    options = _parsed(argv)
    reasons: dict[str, str] = tomllib.loads(EQUIVALENT.read_text())
    there = options.write and RESULTS.exists()
    rooms: dict[str, Any] = json.loads(RESULTS.read_text())["rooms"] if there else {}
    for room in ROOMS:
        if options.room in (None, room.name):
            kept = KEPT / f"{room.name}-{options.sample}-{options.seed}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            if options.fresh:
                kept.unlink(missing_ok=True)
            found = measure(room, options.sample, options.seed, kept, reasons)
            rooms[room.name] = scored(found, reasons) | {"seed": options.seed}
    result = {"schema": SCHEMA, "machine": machine(), "rooms": rooms}
    if options.write:
        write_atomic(RESULTS, (json.dumps(result, indent=1) + "\n").encode())
    print(json.dumps(result, indent=1))
    return 6 if any(room["score"] < LEAST for room in rooms.values()) else 0


def scored(found: Mapping[str, Any], reasons: Mapping[str, str]) -> dict[str, Any]:
    """The counts with the share of mutants that tests noticed, without those that change nothing.

    reasons: why a mutant is equivalent, by its words without its line.
    """
    same = [text for text in found["survivors"] if named(text) in reasons]
    survivors = [text for text in found["survivors"] if text not in same]
    count = found["mutants"] - len(same)
    low, high = interval(found["killed"], count)
    return {
        "mutants": found["mutants"],
        "killed": found["killed"],
        "equivalent": len(same),
        "survived": len(survivors),
        "score": round(100 * found["killed"] / count, 1) if count else 0.0,
        "low": low,
        "high": high,
        "survivors": survivors,
    }


def _parsed(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutation", description="Mutants that the tests notice."
    )
    parser.add_argument("--sample", type=int, default=100, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=1, help="of the draw")
    parser.add_argument("--room", choices=[room.name for room in ROOMS], help="by default all")
    parser.add_argument("--fresh", action="store_true", help="forget what was noticed before")
    parser.add_argument("--write", action="store_true", help="keep the results")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
