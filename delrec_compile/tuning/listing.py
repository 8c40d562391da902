"""What a store of tuned schedules holds, for people; and winners as TOML files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.compiler.schedules import choice
from delrec_compile.compiler.schedules.store import Contents, Key, Store, read
from delrec_compile.errors import InputError
from delrec_compile.system.files import write_atomic

SHOWN = 60  # of a damaged line


def listing(store: Store) -> list[dict[str, Any]]:
    """A row per file. state: `used` by builds, `nothing better`, `unfinished`, `other code`, .."""
    return [_row(read(path)) for path in store.files()]


def _row(found: Contents) -> dict[str, Any]:
    key, trials, winners = found.key, found.all("trial"), found.all("winner")
    last = next(iter(choice.ranked(winners)), None)
    return {
        "file": found.path.name,
        "target": key and key.target,
        "cpu": key and key.cpu,
        "numeric": key and key.numeric,
        "tvm": key and key.tvm,
        "network": key and _network(key.workload),
        "trials": len(trials),
        "failed": sum("error" in t for t in trials),
        "speedup": 1 / last["ratio"] if last else None,
        "winner": last,
        "state": _state(found, last),
    }


def _state(found: Contents, last: Mapping[str, Any] | None) -> str:
    if found.key is None:
        return "damaged"
    if found.key.code != choice.code():
        return "of other code: not used"
    if last is None:
        return "unfinished"
    text = "used" if last["ratio"] < 1 else "nothing better"
    return f"{text}, {len(found.bad)} damaged lines" if found.bad else text


def _network(workload: Mapping[str, Any]) -> str:
    """As `140-256-256-20 ConvDelay`."""
    parts = workload.get("parts", [])
    shapes = [re.findall(r"\d+", p["weight"].split("[")[1]) for p in parts]
    sizes = "-".join([*(shape[1] for shape in shapes[:1]), *(shape[0] for shape in shapes)])
    kinds = [p["recurrence"]["is"] for p in parts if "recurrence" in p]
    return " ".join([sizes, *dict.fromkeys(kinds)])


def damages(store: Store) -> list[dict[str, Any]]:
    """Every damaged line of a store."""
    out = []
    for path in store.files():
        found = read(path)
        lines = found.bad or (((1, b""),) if found.key is None else ())
        for number, text in lines:
            shown = text[:SHOWN].decode(errors="replace")
            out.append({"file": str(path), "line": number, "text": shown})
    return out


def export(store: Store, out: Path, target: str | None, force: bool) -> list[Path]:
    """Writes every winner that beats its profile and was made by this code. Raises InputError."""
    if target is not None:
        target = targets.load(target).name
    made = [(key, winner) for key, winner in _best(store) if target in (None, key.target)]
    if not made:
        raise InputError(
            f"{store.folder} holds no winner to export; 'delrec-compile tune' finds one"
        )
    files = {out / f"{Path(key.file).stem}.toml": _toml(key, w) for key, w in made}
    for path in files:
        if path.exists() and not force:
            raise InputError(f"{path} exists; add --force to replace it")
    out.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        write_atomic(path, text.encode())
    return list(files)


def _best(store: Store) -> Iterator[tuple[Key, dict[str, Any]]]:
    for path in store.files():
        found = read(path)
        best = next(iter(choice.ranked(found.all("winner"))), None)
        if found.key and best and best["ratio"] < 1 and found.key.code == choice.code():
            yield found.key, best


def _toml(key: Key, winner: Mapping[str, Any]) -> str:
    """A winner as `tuned.exported` reads it."""
    facts = ("ratio", "unit", "how")
    lines = ["# Made by:", f"#     {winner['command']}", "#     delrec-compile db export", ""]
    lines += [f"{name} = {json.dumps(winner[name])}" for name in facts]
    for name in ("schedule", "shipped", "costs", "shipped_costs"):
        lines += ["", f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in winner[name].items())]
    parts = asdict(key)
    workload = parts.pop("workload")
    lines += ["", "[key]", *(f"{k} = {json.dumps(v)}" for k, v in parts.items())]
    lines += [f"workload = {_inline(workload)}"]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    """JSON values as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_inline(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
