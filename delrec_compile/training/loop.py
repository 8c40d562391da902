"""The training loop: from spike data to a frozen, measured network.

AdamW with a schedule on the weights, AdamW with a cosine on the delays, cross-entropy of the summed
softmax. The spread of the delays shrinks until the last `frozen_tail` of the epochs, which trains
the frozen form itself (whole delays, no spread), so that rounding costs nothing. The last epoch is
the result: neither the validation nor the test set chooses anything.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from delrec_compile.data.events import Events
from delrec_compile.data.partition import Sets, data_digest, sets_digest
from delrec_compile.data.sets import check_sets, load_sets
from delrec_compile.errors import UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.classify import accuracy
from delrec_compile.network.front_end import NOTE
from delrec_compile.network.model import Network
from delrec_compile.network.tensor_file import DAMAGE
from delrec_compile.ops.real_input import RealInput
from delrec_compile.training import distillation as teachers
from delrec_compile.training import memory, real_values
from delrec_compile.training import state as saved
from delrec_compile.training.augment import Samples
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.freeze import frozen
from delrec_compile.training.losses import loss_and_scores
from delrec_compile.training.model import SpikingNet, class_scores
from delrec_compile.training.optimisers import Optimisers, device_of
from delrec_compile.training.state import Epoch

EVALUATION_BATCH = 150
MAX_SKIPPED = 0.25  # share of the batches of an epoch


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A frozen, snapped network and its measured accuracy."""

    network: Network
    accuracy: dict[str, float]  # of `network` on "valid", and on "test" where it was tested
    history: tuple[Epoch, ...]
    recurrent_parameters: int
    seconds: float


Progress = Callable[[Epoch, int], None]


def train(
    data: str | Path | Sets,
    config: TrainConfig | None = None,
    progress: Progress | None = None,
    *,
    state: Path | None = None,
    resume: bool = False,
    log: Path | None = None,
    batches: Callable[[int, int], None] | None = None,
    fold: int | None = None,
    tested: bool = True,
) -> TrainResult:
    """Train on a folder of spike data (see `load_sets`) or on sets already read.

    progress(epoch, epochs): called after each epoch. state: a file that each epoch replaces, from
    which `resume` continues to the same bits as without a break. log: a .csv or .jsonl file with a
    row per epoch. batches(done, all): called between batches; all: of every epoch. fold: of a pool;
    of sets already read, the one that they are, for the notes. tested: measure the frozen network on
    the test set too.
    Leaves torch's random state and thread count as they were. Raises DataError
    (data), UsageError (training diverged; a state of another training), CheckpointError (files).
    """
    config = config or TrainConfig()
    if isinstance(data, Sets):
        sets = data
    else:
        sets, fold = read(data, config, fold), check_sets(data, fold)
    real = real_values.rounding(sets, config)
    sets = real_values.rounded(sets, real)
    with _seeded(config):
        run = _Run(sets, config, state, log, batches)
        if resume and state is not None and state.exists():
            run.restore()
        run.epochs(progress)
    network = _frozen(run, real, fold)
    parts = {"valid": sets.valid, **({"test": sets.test} if tested else {})}
    scores = {
        name: accuracy(network, part.counts, part.known_labels) for name, part in parts.items()
    }
    network = replace(network, notes={**network.notes, "accuracy": scores})
    history, parameters = tuple(run.history), network.recurrent_parameters()
    return TrainResult(network, scores, history, parameters, sum(e.seconds for e in history))


def check(sets: Sets, config: TrainConfig) -> None:
    """Raises what `train` would before its first batch: UsageError, CheckpointError, DeviceError."""
    rounded = real_values.rounded(sets, real_values.rounding(sets, config))
    with _seeded(config):
        _Run(rounded, config, None, None, None)


def _frozen(run: _Run, real: RealInput | None, fold: int | None) -> Network:
    """The frozen net, with notes that say how to train it again, wherever its teacher is."""
    net, train = run.net.to("cpu"), run.sets.train
    net.freeze_delays()
    config = replace(run.config, teacher=Path(run.config.teacher).name)
    config = replace(config, steps=train.steps, dt_ms=train.dt_ms)
    notes = {
        "command": config.command("DATA" if fold is None else f"DATA --fold {fold}"),
        "config": asdict(config),
        **({} if fold is None else {"fold": fold}),
        "train_data_sha256": run.digest,
        **({NOTE: json.loads(train.front_end)} if train.front_end else {}),
    }
    return frozen(
        net,
        run.sets.valid.counts[:EVALUATION_BATCH],
        dt_ms=train.dt_ms,
        max_input=_max_input(run.sets) if real is None else real.max_input,
        input_bits=None if real is None else real.bits,
        labels=train.keys or (),
        name=config.name,
        notes=notes,
    )


def _sources(sets: Sets, config: TrainConfig) -> str:
    """Digests of the inputs of a training: the sets and the teacher."""
    teacher = [checkpoint.digest(checkpoint.load(config.teacher))] if config.teacher else []
    return " ".join([sets_digest(sets), *teacher])


class _Run:
    """A net and the rest of the state of its training."""

    def __init__(
        self,
        sets: Sets,
        config: TrainConfig,
        state: Path | None,
        log: Path | None,
        told: Callable[[int, int], None] | None,
    ) -> None:
        self.sets, self.config, self.state, self.log, self.told = sets, config, state, log, told
        self.device, self.digest = device_of(config), data_digest(sets.train)
        channels, classes = sets.train.channels, sets.classes
        self.teacher = teachers.load(config.teacher, channels, classes) if config.teacher else None
        self.sources = _sources(sets, config)
        self.net = SpikingNet(channels, classes, config).to(self.device)
        self.batches = math.ceil(len(sets.train) / config.batch)
        self.optimisers = Optimisers(self.net, config, self.batches)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.samples = Samples(sets.train, config, self.generator)
        self.history: list[Epoch] = []

    def epochs(self, progress: Progress | None) -> None:
        """Runs the remaining epochs."""
        for number in range(len(self.history), self.config.epochs):
            epoch = self._epoch(number)
            self.history.append(epoch)
            if self.state is not None:
                self._save(self.state)
            if self.log is not None:
                saved.write_log(self.log, self.history)
            if progress:
                progress(epoch, self.config.epochs)

    def restore(self) -> None:
        """Takes over the state on disk."""
        assert self.state is not None
        record = saved.read(self.state, self.config, self.sources)
        try:
            self.net.load_state_dict(record["net"])
            self.optimisers.restore(record["optimisers"])
            self.generator.set_state(record["generator"])
            torch.set_rng_state(record["random"])
            if "random_cuda" in record:
                torch.cuda.set_rng_state(record["random_cuda"], self.device)
            self.history = [Epoch(**row) for row in record["history"]]
        except (RuntimeError, *DAMAGE) as error:
            raise saved.damaged_state(self.state) from error

    def _save(self, path: Path) -> None:
        state: dict[str, Any] = {
            "net": self.net.state_dict(),
            "optimisers": self.optimisers.state(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "history": [asdict(epoch) for epoch in self.history],
        }
        if self.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(self.device)
        saved.write(path, self.config, self.sources, state)

    def _epoch(self, number: int) -> Epoch:
        started, config = time.monotonic(), self.config
        if number < config.live_epochs:
            self.net.spread_to(config.sigma * 0.95 ** (100 * number / config.live_epochs))
        else:
            self.net.freeze_delays()
        loss, train_accuracy, skipped = self._pass()
        if skipped > MAX_SKIPPED * self.batches:
            raise UsageError(
                f"training diverged in epoch {number + 1}: loss or gradient is not finite in "
                f"{skipped} of {self.batches} batches; use a smaller lr (now {config.lr}) or a "
                f"backflow below {config.backflow}"
            )
        due = (number + 1) % config.valid_every == 0 or number + 1 == config.epochs
        valid = self._evaluate(self.sets.valid) if due else None
        seconds = time.monotonic() - started
        return Epoch(number + 1, loss, train_accuracy, valid, self.net.sigma, seconds, skipped)

    def _pass(self) -> tuple[float, float, int]:
        """Trains on every sample once: mean loss, accuracy, and the number of skipped batches.

        A batch whose loss or gradient is not finite changes no parameter, only BatchNorm's running
        statistics.
        """
        self.net.train()
        total, correct, seen, skipped, labels = 0.0, 0, 0, 0, self.samples.labels
        before = len(self.history) * self.batches
        for done, index in enumerate(torch.split(self.samples.order(), self.config.batch), before):
            if self.told is not None and done > before:
                self.told(done, self.config.epochs * self.batches)
            x = self.samples.batch(index).to(self.device).transpose(0, 1)
            targets = labels[index].to(self.device)
            loss, scores = loss_and_scores(self.net, x, targets, self.teacher)
            if not self.optimisers.step(loss):
                skipped += 1
                continue
            seen += len(index)
            total += loss.item() * len(index)
            correct += int((scores.argmax(1) == targets).sum())
        return total / max(seen, 1), correct / max(seen, 1), skipped

    @torch.no_grad()
    def _evaluate(self, events: Events) -> float:
        self.net.eval()
        correct = 0
        for first in range(0, len(events), EVALUATION_BATCH):
            span = slice(first, first + EVALUATION_BATCH)
            x = torch.from_numpy(events.counts[span]).to(self.device).float().transpose(0, 1)
            classes = class_scores(self.net(x), self.config.decision).argmax(1).cpu()
            correct += int((classes == torch.from_numpy(events.known_labels[span])).sum())
        return correct / len(events)


def read(folder: str | Path, config: TrainConfig, fold: int | None = None) -> Sets:
    """The sets of a folder, or a fold of its pool, binned as the config says, if its device can be used.

    Raises DataError, UsageError, DeviceError.
    """
    device_of(config)
    return load_sets(folder, dt_ms=config.dt_ms, steps=config.steps, group=config.group, fold=fold)


def _max_input(sets: Sets) -> int:
    """The smallest 2**k - 1, at least 31, that no count of the three sets exceeds."""
    largest = max(int(events.counts.max()) for events in (sets.train, sets.valid, sets.test))
    return int(max(31, 2 ** max(largest, 1).bit_length() - 1))


@contextlib.contextmanager
def _seeded(config: TrainConfig) -> Iterator[None]:
    threads, cuda = torch.get_num_threads(), config.device.startswith("cuda")
    torch.set_num_threads(config.threads)
    memory.keep()
    devices = [torch.device(config.device)] if cuda and torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(config.seed)
            yield
    finally:
        torch.set_num_threads(threads)
