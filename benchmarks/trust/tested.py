"""Row 20: how much of the code the tests reach, and how many changes of it they notice."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.trust.row import Result, Scale

RESULTS = Path(__file__).parents[1] / "results"
# file, the value of a room in percent, the least that is promised, the command that measures it
MEASURED = (
    ("coverage.json", "percent", 95.0, "python -m benchmarks.coverage --fresh --write tests"),
    ("mutation.json", "score", 85.0, "python -m benchmarks.mutation --write"),
)


def measure(folder: Path, scale: Scale, results: Path = RESULTS) -> Result:
    """Each room of both results."""
    result = Result()
    for file, value, least, command in MEASURED:
        kind = Path(file).stem
        path = results / file
        rooms = json.loads(path.read_text())["rooms"] if path.exists() else {}
        if not rooms:
            result.broken.append(f"{kind} is not measured: run {command}")
        for room, counts in rooms.items():
            enough = counts[value] >= least
            fault = f"{kind} of {room}: {counts[value]} %; {least:g} % is promised"
            result.count(f"{kind} {'enough' if enough else 'too low'}", None if enough else fault)
            result.figures[f"{kind} of {room}"] = counts[value]
    return result
