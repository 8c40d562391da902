"""What grows with a network: its build, its library, the cost of its steps and spikes, its flash.

    python -m benchmarks.scale [--neurons 256,512,1024,2048,4096] [--json]

140 inputs -> N -> N -> 20 outputs, the second N with a conv_delay recurrence; 20 % of the inputs and
about 5 % of the neurons active. A build is the whole command, with its proof and its times. A synapse is
one weight that one event meets: work grows with those, not with N.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks import Size, poisson_samples, uncalibrated
from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.compiler.build import build as build_only
from delrec_compile.errors import BudgetError, CompilerCrash
from delrec_compile.evaluation.baselines.baseline import Baseline
from delrec_compile.evaluation.baselines.ours import Ours, OursStep
from delrec_compile.evaluation.latency.interleave import inputs, interleave
from delrec_compile.evaluation.markdown import table
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import snap
from delrec_compile.network.model import Layer, Network
from delrec_compile.runners.session import Session
from delrec_compile.system.host import machine

SCHEMA = "delrec.scale/1"
NEURONS = (256, 512, 1024, 2048, 4096)
STEPS, ROUNDS = 60, 9
CHIP = "cortex_m7"
CHIP_FLASH = 2 << 20  # bytes; larger networks are not compiled for it
INTERVAL_S = 0.1  # between looks at the processes of a build
HEAD = (
    "neurons",
    "build, s of CPU",
    "MB, largest process",
    "MB, all",
    "library, MB",
    "step, us",
    "ns per spike",
    "ps per synapse",
    "sequence, us",
    "ps per synapse ",
    f"flash, KB, int8, {CHIP}",
)


def network(neurons: int) -> Network:
    """The network. A layer's bias is such that 5 % of its currents reach the threshold."""
    size = Size(neurons=neurons)
    made = uncalibrated(size)
    x = poisson_samples(1, STEPS, made.inputs, seed=99).counts[0].astype(np.float32)
    layers: list[Layer] = []
    for layer in made.layers:
        currents = x @ layer.weight.T + layer.bias
        shift = np.float32(layer.lif.threshold - np.quantile(currents, 1 - size.rate))
        layers.append(replace(layer, bias=layer.bias + shift))
        x = (currents + shift >= layer.lif.threshold).astype(np.float32)
    return snap(replace(made, layers=tuple(layers), name=f"scale_{neurons}"))


@dataclass(frozen=True)
class Spent:
    """Of a command and all that it starts. MB: resident memory of the largest process; of all together,
    pages that several share counted once."""

    cpu_s: float
    wall_s: float
    largest_mb: float
    together_mb: float


def spent(command: list[str]) -> Spent:
    """Runs a command and watches its processes. Raises CompilerCrash where it fails."""
    begun, together, largest = time.perf_counter(), 0, 0
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            found = [_resident(pid) for pid in _tree(process.pid)]
            together = max(together, sum(share for share, _ in found))
            largest = max(largest, *(peak for _, peak in found))
            time.sleep(INTERVAL_S)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        log.seek(0)
        if process.returncode:
            raise CompilerCrash(
                f"{' '.join(command)}: {log.read().decode(errors='replace')[-400:]}"
            )
    used = ended[2]  # of all processes that it waited for, too
    wall = time.perf_counter() - begun
    return Spent(used.ru_utime + used.ru_stime, wall, largest / 1e3, together / 1e3)


def _tree(pid: int) -> Iterator[int]:
    """A process and those that it started."""
    yield pid
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = " ".join((task / "children").read_text() for task in tasks)
    except OSError:
        return
    for child in children.split():
        yield from _tree(int(child))


def _resident(pid: int) -> tuple[int, int]:
    """KB of a process: now, with its share of pages that others have too; and the most so far."""
    try:
        lines = "".join(Path(f"/proc/{pid}/{f}").read_text() for f in ("smaps_rollup", "status"))
    except OSError:
        return 0, 0  # it ended
    rows = dict(line.split(":", 1) for line in lines.splitlines() if ":" in line)
    own, most = (int(rows.get(key, "0").split()[0]) for key in ("Pss", "VmHWM"))
    return own, most


def built(net: Network, folder: Path) -> tuple[Spent, Artifact]:
    """What the whole command takes, and its artifact."""
    out = folder / "out"
    file = checkpoint.save(net, folder / f"{net.name}.safetensors")
    words = ["build", str(file), "--out", str(out), "--no-tuned", "--json"]
    used = spent([sys.executable, "-m", "delrec_compile", *words])
    return used, load_artifact(out)


def cost(net: Network, artifact: Artifact) -> dict[str, float]:
    """Times of a step and of a sequence, and what they are per spike and per synapse."""
    events = poisson_samples(ROUNDS, STEPS, net.inputs)
    x = inputs(events, 1, ROUNDS)
    session = Session(artifact)
    spikes, synapses = _work(net, session, np.concatenate(x, axis=1))
    engines: dict[str, Baseline] = {"step": OursStep(session), "sequence": Ours(Session(artifact))}
    out = {"spikes_per_step": spikes, "synapses_per_step": synapses}
    for form, times in interleave(engines, x).items():
        us = float(np.median(times))
        out |= {f"{form}_us": us, f"{form}_ns_per_spike": us * 1e3 / spikes}
        out[f"{form}_ps_per_synapse"] = us * 1e6 / synapses
    return out


def _work(net: Network, session: Session, x: F32) -> tuple[float, float]:
    """Events per step, active inputs among them, and the weights that they meet."""
    first, second = (float(s.mean(axis=(0, 1)).sum()) for s in session.trace(x).spikes)
    active = float((x > 0).mean(axis=(0, 1)).sum())
    n, taps = net.layers[1].size, Size.taps
    synapses = active * n + first * n + second * (taps + net.outputs)
    return active + first + second, synapses


def flash(net: Network, folder: Path) -> int | None:
    """Bytes of the int8 program for a chip; None where it does not fit."""
    if net.parameters() >= CHIP_FLASH:
        return None
    try:
        made = build_only(net, CHIP, folder / CHIP, numeric="int8", tuned=False)
    except BudgetError:
        return None
    return made.manifest.flash_bytes


def measured(neurons: int, folder: Path) -> dict[str, Any]:
    """A row."""
    net = network(neurons)
    used, artifact = built(net, folder)
    return {
        "neurons": neurons,
        "parameters": net.parameters(),
        "build": vars(used),
        "library_bytes": artifact.manifest.library_bytes,
        **cost(net, artifact),
        "flash_bytes": flash(net, folder),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The rows as a table."""
    cells = []
    for r in rows:
        b, bytes_ = r["build"], r["flash_bytes"]
        figures = [b["cpu_s"], b["largest_mb"], b["together_mb"], r["library_bytes"] / 1e6]
        figures += [r["step_us"], r["step_ns_per_spike"], r["step_ps_per_synapse"]]
        figures += [r["sequence_us"], r["sequence_ps_per_synapse"]]
        texts = [f"{value:,.{1 if value < 100 else 0}f}" for value in figures]
        own = "does not fit" if bytes_ is None else f"{bytes_ / 1e3:,.0f}"
        cells.append([f"{r['neurons']:,}", *texts, own])
    return "\n".join(table(list(HEAD), cells))


def main(argv: list[str] | None = None) -> int:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--neurons", default=",".join(map(str, NEURONS)), help="sizes, N")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    rows = []
    for neurons in map(int, options.neurons.split(",")):
        with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
            rows.append(measured(neurons, Path(folder)))
    result = {"schema": SCHEMA, "machine": machine(), "rows": rows}
    print(json.dumps(result, indent=1) if options.json else markdown(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
