"""check and bench on other machines: each device in a child process of its own, all at once."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.samples import first, fitting, read_samples
from delrec_compile.errors import CompilerCrash, DeviceError, InputError, ParityError
from delrec_compile.evaluation.latency.result import spread
from delrec_compile.evaluation.parity import compare_artifact
from delrec_compile.evaluation.verdict import accept_silence
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, Source, stored
from delrec_compile.network.model import Network
from delrec_compile.runners.devices.open import DeviceRunner, open_device
from delrec_compile.runners.devices.url import Device, parse
from delrec_compile.system import child
from delrec_compile.system.renamed import renamed_arguments

START_S = 300.0  # to import, and to compile what runs there
AGREED = 1  # samples that are compared before any is timed


@renamed_arguments(words="samples")
def check_on(
    path: Path | str,
    devices: Sequence[Device],
    samples: Source = AUTO,
    limit: int | None = None,
    *,
    allow_silent: bool = False,
) -> dict[str, Any]:
    """Parity of an artifact on every device: `passed`, and `devices`, in their order.

    A device has the fields of `Parity.as_dict()` and its `device`, `machine`, `host`; where it is
    the only one, these are beside `passed` too. allow_silent: a check in which no neuron fires passes.
    """
    with stored(_network(path), samples) as spec:
        rows = _each(devices, "checked", path=str(path), samples=spec, limit=limit)
    if allow_silent:
        rows = [accept_silence(row) for row in rows]
    alone = rows[0] if len(rows) == 1 else {}
    return {**alone, "devices": rows, "passed": all(r["passed"] for r in rows)}


@renamed_arguments(words="samples")
def bench_on(
    path: Path | str, devices: Sequence[Device], samples: Source = AUTO, rounds: int = 25
) -> dict[str, Any]:
    """Microseconds per step of an artifact on every device: `rows`, in their order, and `workload`.

    ratio_to_ours: to the first device. rounds: samples, each timed for some milliseconds.
    """
    with stored(_network(path), samples) as spec:
        results = _each(devices, "timed", path=str(path), samples=spec, rounds=rounds)
    ours = results[0]["us_per_step"]
    rows = [{"name": "ours", **f, "ratio_to_ours": f["us_per_step"] / ours} for f in results]
    return {"rows": rows, "workload": [row.pop("workload") for row in rows][-1]}


def checked(path: str, url: str, samples: str, limit: int | None) -> dict[str, Any]:
    """In the child: parity on one device."""
    artifact = load_artifact(path)
    network = checkpoint.load(artifact.path / "network.safetensors")
    chosen = fitting(first(read_samples(samples), limit), network.inputs)
    runner = open_device(artifact, parse(url))
    parity = compare_artifact(artifact, network, runner, chosen)
    return {**parity.as_dict(), **_place(url, runner)}


def timed(path: str, url: str, samples: str, rounds: int) -> dict[str, Any]:
    """In the child: microseconds per step on one device, once its outputs are checked."""
    artifact = load_artifact(path)
    network = checkpoint.load(artifact.path / "network.safetensors")
    events = fitting(first(read_samples(samples), rounds), network.inputs)
    runner = open_device(artifact, parse(url))
    if not compare_artifact(artifact, network, runner, first(events, AGREED)).agrees:
        raise ParityError(f"{url} computes different outputs; 'check --device {url}' says where")
    times = runner.times(events.counts)
    trace = runner.trace(np.ascontiguousarray(events.counts.transpose(1, 0, 2), np.float32))
    workload = {
        "form": "step",
        "batch": 1,
        "steps": events.steps,
        "samples": len(events),
        "words": len(events),  # the old name, for one version
        "hidden_rate": float(np.mean([s.mean() for s in trace.spikes])),
        "input_density": float((events.counts > 0).mean()),
    }
    figures = {"us_per_step": statistics.median(times), "spread": spread(times)}
    return {**figures, **_place(url, runner), "workload": workload}


def _place(url: str, runner: DeviceRunner) -> dict[str, str]:
    return {"device": url, "machine": runner.machine, "host": runner.host}


def _network(path: Path | str) -> Network:
    """The network of an artifact. Raises InputError for other paths."""
    if not Path(path).is_dir():
        raise InputError(
            f"{path} is not an artifact folder; devices run artifacts, made with 'build'"
        )
    return checkpoint.load(load_artifact(path).path / "network.safetensors")


def _each(devices: Sequence[Device], function: str, **arguments: Any) -> list[dict[str, Any]]:
    """One child per device, together. When all have ended, the first error in their order is raised."""
    with ThreadPoolExecutor(max(1, len(devices))) as pool:
        waiting = [pool.submit(_on, device, function, arguments) for device in devices]
    return [w.result() for w in waiting]


def _on(device: Device, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    where, limit = f"delrec_compile.evaluation.devices:{function}", START_S + device.timeout_s
    try:
        result: dict[str, Any] = child.call(where, timeout_s=limit, url=device.url, **arguments)
    except CompilerCrash as error:
        if device.kind == "local":
            raise
        why = re.sub(r"^(the process of )?\S+:\S+ ", "the process that talks to it ", str(error))
        raise DeviceError(f"{device}: {why}") from error
    return result
