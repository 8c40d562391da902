"""Row 11: a command killed at any moment leaves the old result or the new one, whole, and no remains.

Some kills come at drawn times; the others at each change of the disk that the command, or a process of
its own, makes, and half-way through what it appends. Most runs are forks: `forked`.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.trust import commands, forked, made
from benchmarks.trust.forked import Counter
from benchmarks.trust.readers import READERS
from benchmarks.trust.row import Result, Scale
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.compiler.schedules import store
from delrec_compile.errors import DelrecError
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.schema import load_model

SECONDS = 900.0  # of a whole run, on a loaded machine
SETTLE_S = 10.0  # for processes of a dead command to end, on a loaded machine
CACHE = "torchinductor_"  # PyTorch's own, for each user: it stays after any run
PROBE = re.compile("[a-z0-9_]{8}")  # a file by which Python sees that a folder takes files
SETS = (("train", 40), ("valid", 10), ("test", 10))


@dataclass
class Job:
    """A command, the path of its result, and what reads the result or raises; its number of records.

    records: the largest number that was ever there: a kill loses none.
    """

    name: str
    words: Callable[[int], commands.Words]
    result: Path
    read: Callable[[Path], object]
    records: int = field(default=0)


def measure(folder: Path, scale: Scale) -> Result:
    """The kills of each command, each after a whole run; after one more nothing is left behind."""
    result = Result()
    forked.prepare()
    for job in _jobs(folder):
        counter, started = Counter(), time.monotonic()
        _whole(result, job, folder, counter)
        lasts, r = time.monotonic() - started, np.random.default_rng(11)
        for late in r.uniform(0.0, 1.0, scale.of(98, 3)):
            _killed(result, job, folder, Counter(), float(late) * lasts)
        for point in np.linspace(0, counter.seen - 1, scale.of(98, 3)):
            _killed(result, job, folder, Counter(at=int(point)), SECONDS)
        for late in r.uniform(0.3, 1.0, scale.of(4, 0)):
            _killed(result, job, folder, None, float(late) * 3 * lasts)
        _whole(result, job, folder, Counter())
        left = _remains(folder, job.result)
        fault = f"{job.name}: after the next run there is still {left[:3]}" if left else None
        result.count("nothing left behind" if fault is None else "remains", fault)
        result.figures[f"{job.name}: changes of the disk"] = counter.seen
    return result


def _jobs(folder: Path) -> list[Job]:
    one, other = made.network_file(folder, 1), made.network_file(folder, 2)
    samples = [made.samples_file(folder, made.network(seed)) for seed in (1, 2)]
    sets, graph = _sets(folder / "sets"), READERS["NIR graph"].make(folder)
    trained = folder / "trained.safetensors"

    def build(i: int) -> commands.Words:
        source, data = ((one, samples[0]), (other, samples[1]))[i % 2]
        return ["build", source, "-o", folder / "built", "-i", data, "--force"]

    def export(i: int) -> commands.Words:
        return ["export", (one, other)[i % 2], "-o", folder / "step.onnx", "--force"]

    def tune(i: int) -> commands.Words:
        return ["tune", one, "--db", folder / "db", "-i", samples[0], "--trials", "2"]

    def train(i: int) -> commands.Words:
        unfinished = trained.with_suffix(".unfinished").exists()
        words: commands.Words = ["train", sets, "-o", trained, "--epochs", "3", "--hidden", "16"]
        return [*words, "--force", *(["--resume"] if unfinished and i % 4 else [])]

    def compare(i: int) -> commands.Words:
        words: commands.Words = ["compare", one, "--targets", "x86_64", "-i", samples[0]]
        return [*words, "-o", folder / "compared", "--rebuild"]

    def import_(i: int) -> commands.Words:
        return ["import", graph, "--dt-ms", "1", "-o", folder / "imported.safetensors", "--force"]

    return [
        Job("build", build, folder / "built", load_artifact),
        Job("export", export, folder / "step.onnx", load_model),
        Job("tune", tune, folder / "db", _records),
        Job("train", train, trained, checkpoint.load),
        Job("compare", compare, folder / "compared", _compared),
        Job("import", import_, folder / "imported.safetensors", checkpoint.load),
    ]


def _sets(folder: Path) -> Path:
    """Spike data of two classes to train on."""
    folder.mkdir()
    r = np.random.default_rng(3)
    for name, count in SETS:
        labels = np.arange(count) % 2
        rates = np.where(np.arange(12) // 6 == labels[:, None], 0.5, 0.05)
        counts = (r.random((count, 20, 12)) < rates[:, None]).astype(np.uint8)
        np.savez(folder / f"data_{name}.npz", counts=counts, labels=labels)
    return folder


def _records(folder: Path) -> int:
    """The number of records; of each file one line may be torn. Raises AssertionError."""
    contents = [store.read(file) for file in store.Store(folder).files()]
    assert all(len(c.bad) <= 1 for c in contents), "more than the last line is torn"
    return sum(len(c.records) for c in contents)


def _compared(folder: Path) -> object:
    return [load_artifact(p) for p in folder.iterdir() if (p / "manifest.json").exists()]


def _environment(folder: Path) -> dict[str, str]:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return commands.environment({"TMPDIR": str(scratch)})


def _whole(result: Result, job: Job, folder: Path, counter: Counter) -> None:
    """A run to its end."""
    process = forked.start(job.words(0), folder, _environment(folder), counter.install)
    code = forked.ended(process, SECONDS)
    fault = f"{job.name}: exit {code} of a whole run" if code else _wrong(job)
    result.count("whole run" if fault is None else "not run", fault)


def _killed(
    result: Result, job: Job, folder: Path, counter: Counter | None, seconds: float
) -> None:
    """One kill: the processes it leaves, and what the result is then. counter: None: no fork."""
    words, environment = job.words(result.tried), _environment(folder)
    if counter is None:
        process = subprocess.Popen(
            [*commands.COMMAND, *map(str, words)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ).pid
    else:
        process = forked.start(words, folder, environment, counter.install)
    code = forked.ended(process, seconds)
    alive = forked.orphans(SETTLE_S)
    commands_alive = [_command(pid) for pid in alive]
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    when = (
        f"after {seconds:.1f} s" if counter is None or counter.at < 0 else f"at change {counter.at}"
    )
    why = f"{commands_alive} stayed alive" if alive else _wrong(job)
    if code not in (0, -signal.SIGKILL):
        why = f"exit {code}"
    ended = "killed" if code == -signal.SIGKILL else "ended before" if code == 0 else "failed"
    result.count(f"{job.name} {ended}", why and f"{job.name}, killed {when}: {why}")


def _command(process: int) -> str:
    """What a process is, for a message."""
    words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    state = Path(f"/proc/{process}/wchan").read_text()
    return f"{b' '.join(words).decode(errors='replace')[:80]!r} in {state}"


def _wrong(job: Job) -> str | None:
    """What is lost or torn of a result that was whole before."""
    if not job.result.exists():
        return "the result of before is lost"
    try:
        found = job.read(job.result)
    except (DelrecError, AssertionError) as error:
        return f"torn: {error}"
    if isinstance(found, int):
        if found < job.records:
            return f"{job.records - found} records are lost"
        job.records = found
    return None


def _remains(folder: Path, made: Path) -> list[str]:
    """Hidden files beside a result, and what lies in the folder of temporary files."""
    beside = [p.name for p in made.parent.glob(f".{made.stem}*")]
    temporary = [p for p in (folder / "scratch").iterdir() if not p.name.startswith(CACHE)]
    probes = [p for p in temporary if p.is_file() and PROBE.fullmatch(p.name)]
    return beside + [p.name for p in temporary if p not in probes]
