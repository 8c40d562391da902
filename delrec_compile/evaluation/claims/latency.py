"""Time of a step in the same optimised engine, and in the authors' training form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delrec_compile import __version__
from delrec_compile.compiler.build import build
from delrec_compile.errors import CompilerCrash, DataError, ToolchainError, UnsupportedError
from delrec_compile.evaluation.latency.bench import bench
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Network
from delrec_compile.system.folders import work_folder
from delrec_compile.system.host import machine

ROUNDS = 15


def latency(path: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    """us_per_step of the compiled step and of the authors' form of the network in `path`.

    One process, one thread, in turn, medians of thread CPU time, on the bundled samples where they
    fit. A figure that cannot be had is None, and `skipped` says why.
    """
    network = checkpoint.load(path)
    theirs = _authors(network)
    empty = {"us_per_step": None, "authors_us_per_step": None, "authors_form": theirs}
    try:
        with work_folder() as folder:
            artifact = build(network, out=folder / "artifact")
            result = bench(artifact.path, "samples", rows=("ours", theirs), rounds=rounds)
    except (CompilerCrash, DataError, ToolchainError, UnsupportedError) as error:
        return {**empty, "skipped": str(error)}
    times = {row.name: row.us_per_step for row in result.rows}
    return {
        "us_per_step": times["ours"],
        "authors_us_per_step": times.get(theirs),
        "authors_form": theirs,
        "skipped": result.skipped.get(theirs),
    }


def environment() -> dict[str, Any]:
    """The origin of a time: this machine, and this version of the package."""
    return {"machine": machine(), "version": __version__}


def measured_here(times: Mapping[str, Any]) -> bool:
    return all(times.get(name) == value for name, value in environment().items())


def provenance(times: Mapping[str, Mapping[str, Any]]) -> str:
    """A line on the times, by title, that were not taken here; empty where all were."""
    places: dict[str, list[str]] = {}
    for title, record in times.items():
        if not measured_here(record):
            places.setdefault(_place(record), []).append(title)
    if [len(titles) for titles in places.values()] == [len(times)]:
        return f"The times were taken {next(iter(places))}."
    return " ".join(f"Taken {place}: {'; '.join(titles)}." for place, titles in places.items())


def _place(times: Mapping[str, Any]) -> str:
    if "machine" not in times or "version" not in times:
        return "on a machine that is not on record"
    on = times["machine"]
    return f"on {on['cpu']}, {on['system']}, Python {on['python']}, by version {times['version']}"


def _authors(network: Network) -> str:
    kinds = {r.kind for _, r in network.recurrences()}
    return "authors_conv_newest" if "conv_delay" in kinds else "authors_dense"
