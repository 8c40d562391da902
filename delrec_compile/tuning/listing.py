"""The contents of a store of tuned schedules as a table, and winners as TOML files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from delrec_compile import targets
from delrec_compile.compiler.schedules import choice
from delrec_compile.compiler.schedules.record import Winner
from delrec_compile.compiler.schedules.store import TRIAL, Contents, Key, Store, read
from delrec_compile.errors import InputError
from delrec_compile.system.files import write_atomic

SHOWN = 60  # of a damaged line


def listing(store: Store) -> list[dict[str, Any]]:
    """A row per file. state: `used` by builds, `nothing better`, `unfinished`, `other code`, .."""
    return [_row(read(path)) for path in store.files()]


def _row(contents: Contents) -> dict[str, Any]:
    key, trials = contents.key, contents.all(TRIAL)
    last = next(iter(choice.ranked(contents.winners)), None)
    return {
        "file": contents.path.name,
        "target": key and key.target,
        "cpu": key and key.cpu,
        "numeric": key and key.numeric,
        "tvm": key and key.tvm,
        "network": key and _network(key.workload),
        "trials": len(trials),
        "failed": sum("error" in trial for trial in trials),
        "speedup": 1 / last.ratio if last else None,
        "winner": last and last.to_json(),
        "state": _state(contents, last),
    }


def _state(contents: Contents, last: Winner | None) -> str:
    if contents.key is None:
        return "damaged"
    if contents.key.code != choice.code():
        return "of other code: not used"
    if last is None:
        return "unfinished"
    text = "used" if last.ratio < 1 else "nothing better"
    return f"{text}, {len(contents.bad)} damaged lines" if contents.bad else text


def _network(workload: Mapping[str, Any]) -> str:
    """Sizes of the populations and kinds of delays, such as `140-256-256-20 ConvDelay`."""
    parts = workload.get("parts", [])
    joins = [each["synapses"] for p in parts for each in p.get("projections", [])]
    inputs = [_extents(s.get("weight", "")) for s in joins[:1]]
    sizes = [shape[1] for shape in inputs if len(shape) > 1]
    sizes += [shape[0] for p in parts if (shape := _extents(p.get("bias", "")))]
    kinds = [s["is"] for s in joins if s.get("depth", 1) > 1]
    return " ".join(["-".join(sizes), *dict.fromkeys(kinds)])


def _extents(array: Any) -> list[str]:
    """Those of an array of a workload, such as `float32[256, 140]`; none of anything else."""
    text = str(array)
    return re.findall(r"\d+", text.split("[")[1]) if "[" in text else []


def damaged_lines(store: Store) -> list[dict[str, Any]]:
    """Every damaged line of a store: file, line number, and how it begins."""
    out = []
    for path in store.files():
        contents = read(path)
        lines = contents.bad or (((1, b""),) if contents.key is None else ())
        for number, text in lines:
            shown = text[:SHOWN].decode(errors="replace")
            out.append({"file": str(path), "line": number, "text": shown})
    return out


def export_winners(store: Store, out: Path, target: str | None, force: bool) -> list[Path]:
    """Writes a TOML file per winner that beats its profile and was measured with this code.

    target: only winners of this one. Raises InputError.
    """
    if target is not None:
        target = targets.load(target).name
    winners = [(key, winner) for key, winner in _best(store) if target in (None, key.target)]
    if not winners:
        raise InputError(
            f"{store.folder} holds no winner to export; 'delrec-compile tune' finds one"
        )
    files = {out / f"{Path(key.file).stem}.toml": _toml(key, w) for key, w in winners}
    for path in files:
        if path.exists() and not force:
            raise InputError(f"{path} exists; add force=True to replace it")
    for path, text in files.items():
        write_atomic(path, text.encode())
    return list(files)


def _best(store: Store) -> Iterator[tuple[Key, Winner]]:
    for path in store.files():
        contents = read(path)
        best = next(iter(choice.ranked(contents.winners)), None)
        if contents.key and best and best.ratio < 1 and contents.key.code == choice.code():
            yield contents.key, best


def _toml(key: Key, winner: Winner) -> str:
    """A winner as `choice.exported` reads it."""
    lines = ["# Made by:", f"#     {winner.command}", "#     delrec-compile db export", ""]
    tables = tomli_w.dumps(choice.Exported(key, winner).to_toml())
    return "\n".join(lines) + "\n" + tables
