"""Row 11: a command killed at any moment leaves the old result or the new one, whole, and no remains.

Some kills come at drawn times; the others right before or after each rename that the command makes,
through a sitecustomize module that counts the renames of the process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.trust import commands, made
from benchmarks.trust.row import Result, Scale
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.compiler.schedules import store
from delrec_compile.data.sets import load_sets
from delrec_compile.errors import DelrecError
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.schema import load_model

SETTLE_S = 0.3  # for a child to notice that its parent has died
HOOK = """
import ctypes, os, signal, sys
if os.environ.get("TRUST_KILL") and "delrec_compile" in sys.orig_argv[:3]:
    number, when = os.environ["TRUST_KILL"].split(":")
    seen = [0]
    def hooked(real):
        def call(*args, **kwargs):
            mine = seen[0] == int(number)
            seen[0] += 1
            if mine and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            done = real(*args, **kwargs)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return done
        return call
    os.replace, os.rename = hooked(os.replace), hooked(os.rename)
"""


@dataclass(frozen=True)
class Job:
    """A command, the path of its result, and what reads the result or raises."""

    name: str
    words: Callable[[int], commands.Words]
    result: Path
    read: Callable[[Path], object]
    seconds: float  # in which it is killed


def measure(folder: Path, scale: Scale) -> Result:
    """The kills of each command, and one whole run at the end, after which nothing is left behind."""
    result = Result()
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    for job in _jobs(folder):
        random = np.random.default_rng(11)
        for i in range(scale.of(200, 4)):
            late = float(random.uniform(0.3, job.seconds))
            _killed(result, job, folder, i, {}, late)
        for i, point in enumerate(_points(scale.of(6, 1))):
            python = os.pathsep.join([str(hook), commands.environment()["PYTHONPATH"]])
            changed = {"TRUST_KILL": point, "PYTHONPATH": python}
            _killed(result, job, folder, i, changed, 120)
        done = commands.run(*job.words(0), cwd=folder, changed=_scratch(folder))
        left = _remains(folder, job.result)
        fault = f"{job.name}: exit {done.code}: {done.err[-200:]}" if done.code else None
        if fault is None and left:
            fault = f"{job.name}: after the next run there is still {left[:3]}"
        result.count("whole run after kills", fault)
    return result


def _points(renames: int) -> Iterator[str]:
    for number in range(renames):
        yield f"{number}:before"
        yield f"{number}:after"


def _jobs(folder: Path) -> list[Job]:
    one, other = made.network_file(folder, 1), made.network_file(folder, 2)
    samples = [made.samples_file(folder, made.network(seed)) for seed in (1, 2)]
    digits = folder / "digits-of-training"
    commands.run(*_synth(digits), cwd=folder)

    def build(i: int) -> commands.Words:
        source, data = ((one, samples[0]), (other, samples[1]))[i % 2]
        return ["build", source, "-o", folder / "built", "-i", data, "--force"]

    def export(i: int) -> commands.Words:
        return ["export", (one, other)[i % 2], "-o", folder / "step.onnx", "--force"]

    def tune(i: int) -> commands.Words:
        return ["tune", one, "--db", folder / "db", "-i", samples[0], "--trials", "3"]

    def train(i: int) -> commands.Words:
        words: commands.Words = [
            "train",
            digits,
            "-o",
            folder / "trained.safetensors",
            "--epochs",
            "3",
        ]
        unfinished = (folder / "trained.unfinished").exists()
        return [*words, "--hidden", "16", "--resume" if unfinished else "--force"]

    def compare(i: int) -> commands.Words:
        words: commands.Words = ["compare", one, "--targets", "x86_64,portable_c", "-i", samples[0]]
        return [*words, "-o", folder / "compared", "--rebuild"]

    def synth(i: int) -> commands.Words:
        return _synth(folder / "digits")

    return [
        Job("build", build, folder / "built", load_artifact, 9),
        Job("export", export, folder / "step.onnx", load_model, 6),
        Job("tune", tune, folder / "db", _store, 15),
        Job("train", train, folder / "trained.safetensors", checkpoint.load, 12),
        Job("compare", compare, folder / "compared", _compared, 20),
        Job("data synth", synth, folder / "digits", load_sets, 5),
    ]


def _synth(out: Path) -> commands.Words:
    return ["data", "synth", out, "--train", "1", "--valid", "1", "--test", "1", "--force"]


def _store(folder: Path) -> object:
    """The records; a damaged line is a torn one. Raises AssertionError."""
    contents = [store.read(file) for file in store.Store(folder).files()]
    assert all(len(c.bad) <= 1 for c in contents), "more than the last line is torn"
    return contents


def _compared(folder: Path) -> object:
    return [load_artifact(p) for p in folder.iterdir() if (p / "manifest.json").exists()]


def _scratch(folder: Path) -> dict[str, str | None]:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return {"TMPDIR": str(scratch)}


def _killed(
    result: Result, job: Job, folder: Path, i: int, changed: dict[str, str], seconds: float
) -> None:
    """One kill: the processes it leaves, and what the result is then."""
    variables = commands.environment({**_scratch(folder), **changed})
    process = subprocess.Popen(
        [*commands.COMMAND, *map(str, job.words(i))],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    time.sleep(SETTLE_S)
    alive = _with_variable(f"TMPDIR={folder / 'scratch'}")
    fault = f"{job.name} {changed}: processes stayed alive" if alive else None
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    try:
        if job.result.exists():
            job.read(job.result)
    except (DelrecError, AssertionError) as error:
        fault = f"{job.name} {changed} after {seconds:.1f} s: torn: {error}"
    ended = "killed" if code == -signal.SIGKILL else f"ended with {code}"
    result.count(f"{job.name}: {ended}", fault)


def _with_variable(text: str) -> list[int]:
    """Processes that have this text in their environment, zombies not counted."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _remains(folder: Path, made: Path) -> list[str]:
    """Hidden files beside a result, and what lies in the folder of temporary files."""
    beside = [p.name for p in made.parent.glob(f".{made.stem}*")]
    return beside + [p.name for p in (folder / "scratch").iterdir()]
