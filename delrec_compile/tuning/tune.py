"""`tune`: finds the fastest schedule for one network on one target, and records it.

A schedule that was measured before is not measured again. At the end the best ones meet the shipped
schedule once more, side by side; only one that is faster there becomes the winner, which `build`
takes from then on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from delrec_compile import targets
from delrec_compile.aliases import Numeric, StageProgress
from delrec_compile.compiler.schedules.store import Store
from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, Source, read_inputs, stored
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.quantise import check_calibration, quantise
from delrec_compile.network.model import Network
from delrec_compile.runners.devices.url import parse
from delrec_compile.system.folders import work_folder
from delrec_compile.system.renamed import renamed_arguments
from delrec_compile.system.worker import Worker
from delrec_compile.tuning.driver import Run
from delrec_compile.tuning.pool import Pool
from delrec_compile.tuning.result import Limits, Tuned

EVALUATOR = "delrec_compile.tuning.evaluator:Evaluator"
MAX_JOBS = 4
CLUSTER_BACK_S = 20.0  # that a machine may take to come back, while others measure


@renamed_arguments(words="samples")
def tune(
    network: Network,
    target: str = "x86_64",
    *,
    numeric: str = Numeric.FLOAT32,
    calibrate: Source | None = None,
    cpu: str | None = None,
    device: str | None = None,
    cluster: bool = False,
    samples: Source = AUTO,
    db: Path | str | None = None,
    limits: Limits | None = None,
    jobs: int | None = None,
    command: str = "",
    progress: StageProgress = lambda *_: None,
) -> Tuned:
    """Searches schedules for the target, and records the winner in the store `db`.

    cpu: as in `build`. device: machine to measure on, `rpc://host:port/key` or `ssh://user@host`;
    else this one, or an emulator. cluster: measures on all free machines of the device's key at once.
    samples: inputs to run. jobs: schedules built and run at once, where
    they run in an emulator. command: text recorded beside the winner. Raises UnsupportedError,
    UsageError, DeviceError, and the errors of `build`.
    """
    profile = _tunable(target, device, cluster)
    mode = profile.numeric_mode(numeric)
    check_calibration(mode, calibrate)
    calibration = None if calibrate is None else read_inputs(network, calibrate).samples
    with (
        stored(network, samples) as spec,
        work_folder() as folder,
    ):
        checkpoint.save(network, folder / "network.safetensors")
        if mode.is_integer:
            quantised = quantise(network, mode, calibration)
            integer_checkpoint.save(quantised, folder / integer_checkpoint.NAME)
        arguments = {
            "root": str(folder),
            "target": target,
            "cpu": cpu,
            "samples": spec,
            "device": device,
            **({"back_s": CLUSTER_BACK_S} if cluster else {}),
        }
        size = _parallel_jobs(profile, device, jobs)
        make = partial(Worker, EVALUATOR, **arguments)
        with Pool(make, size, _free_machines(device) if cluster else lambda: 0) as pool:
            return Run(pool, Store(db), limits or Limits(), command, progress).tune()


def _free_machines(device: str | None) -> Callable[[], int]:
    """A function that asks the tracker."""
    from delrec_compile.runners.devices.rpc import free

    return partial(free, parse(device or ""))


def _tunable(target: str, device: str | None, cluster: bool) -> targets.Target:
    profile = targets.load(target)
    kind = parse(device).kind if device else ""
    if cluster and kind != "rpc":
        raise UsageError(
            "--cluster measures on all machines of a key at a TVM tracker; add --device "
            "rpc://host:port/key"
        )
    if profile.generator == "cuda":
        raise UnsupportedError("tune: GPUs have one schedule so far; allowed: any other target")
    if not device and not profile.runs_here and not profile.core:
        raise UnsupportedError(
            f"code of '{profile.name}' runs neither here nor in an emulator; "
            "tune on such a machine, or name one with --device"
        )
    return profile


def _parallel_jobs(profile: targets.Target, device: str | None, jobs: int | None) -> int:
    """Number of evaluators; one where time is measured."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs={jobs}: at least 1 is required")
    return 1 if device or profile.runs_here else jobs or min(os.cpu_count() or 1, MAX_JOBS)
