"""`tune`: finds the schedule that is fastest for one network on one target, and keeps it.

A point that was measured before is not measured again. At the end the best points meet the shipped
schedule once more, side by side; only one that is faster there becomes the winner, which `build`
takes from then on.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from delrec_compile import targets
from delrec_compile.aliases import Numeric, StageProgress
from delrec_compile.compiler.schedules.store import Store
from delrec_compile.data.events import Events
from delrec_compile.errors import UnsupportedError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import Network
from delrec_compile.runners.devices.url import parse
from delrec_compile.system.renamed import renamed_arguments
from delrec_compile.system.worker import Warm
from delrec_compile.tuning.driver import Limits, Run, Tuned

LAB = "delrec_compile.tuning.evaluator:Lab"
MOST_JOBS = 4


@renamed_arguments(words="samples")
def tune(
    network: Network,
    target: str = "x86_64",
    *,
    numeric: str = Numeric.FLOAT32,
    calibrate: Events | None = None,
    cpu: str | None = None,
    device: str | None = None,
    samples: str = "samples",
    db: Path | str | None = None,
    limits: Limits | None = None,
    jobs: int | None = None,
    command: str = "",
    progress: StageProgress = lambda *_: None,
) -> Tuned:
    """Searches schedules for the target, and keeps the winner in the store `db`.

    cpu: as in `build`. device: where it is measured, `rpc://host:port/key` or `ssh://user@host`;
    else here, or in an emulator. samples: the inputs that are run. jobs: points that are built and
    run at once, where they run in an emulator. command: what is noted beside the winner. Raises
    UnsupportedError, UsageError, DeviceError, and what `build` raises.
    """
    profile = _tunable(target, device)
    mode = profile.numeric_mode(numeric)
    with tempfile.TemporaryDirectory(prefix="delrec-tune-") as folder:
        checkpoint.save(network, Path(folder) / "network.safetensors")
        if mode.is_integer:
            quantised = quantise(network, mode, calibrate)
            integer_checkpoint.save(quantised, Path(folder) / integer_checkpoint.NAME)
        facts = {
            "root": folder,
            "target": target,
            "cpu": cpu,
            "samples": str(samples),
            "device": device,
        }
        run = Run(Store(db), limits or Limits(), command, progress)
        with _labs(facts, _at_once(profile, device, jobs)) as labs:
            return run.through(labs)


def _tunable(target: str, device: str | None) -> targets.Target:
    profile = targets.load(target)
    if device:
        parse(device)
    if profile.generator == "cuda":
        raise UnsupportedError("tune: GPUs have one schedule so far; allowed: any other target")
    if not device and not profile.runs_here and not profile.core:
        raise UnsupportedError(
            f"code of '{profile.name}' runs neither here nor in an emulator; "
            "tune on such a machine, or name one with --device"
        )
    return profile


def _at_once(profile: targets.Target, device: str | None, jobs: int | None) -> int:
    """What is timed is timed alone."""
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs {jobs}: at least 1 is needed")
    return 1 if device or profile.runs_here else jobs or min(os.cpu_count() or 1, MOST_JOBS)


@contextlib.contextmanager
def _labs(facts: dict[str, Any], jobs: int) -> Iterator[list[Warm]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Warm(LAB, **facts)) for _ in range(max(1, jobs))]
