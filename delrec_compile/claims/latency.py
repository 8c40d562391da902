"""Time of a step in the same optimised engine, and in the authors' training form."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from delrec_compile import checkpoint
from delrec_compile.bench import bench
from delrec_compile.build import build
from delrec_compile.errors import CompilerCrash, ToolchainError, UnsupportedError
from delrec_compile.network import Network

ROUNDS = 15


def latency(path: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    """us_per_step of the compiled step and of the authors' form of the network in `path`.

    One process, one thread, in turn, medians of thread CPU time, on the bundled words where they
    fit. A figure that cannot be had is None, and `skipped` says why.
    """
    network = checkpoint.load(path)
    theirs = _authors(network)
    empty = {"us_per_step": None, "authors_us_per_step": None, "authors_form": theirs}
    try:
        with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
            artifact = build(network, out=Path(folder) / "artifact")
            found = bench(artifact.path, rows=("ours", theirs), rounds=rounds)
    except (CompilerCrash, ToolchainError, UnsupportedError) as error:
        return {**empty, "skipped": str(error)}
    times = {row.name: row.us_per_step for row in found.rows}
    return {
        "us_per_step": times["ours"],
        "authors_us_per_step": times.get(theirs),
        "authors_form": theirs,
        "skipped": found.skipped.get(theirs),
    }


def _authors(network: Network) -> str:
    kinds = {r.kind for _, r in network.recurrences()}
    return "authors_conv" if "conv_delay" in kinds else "authors_dense"
