"""The training loop: from spike data to a frozen, measured network.

AdamW with one cycle on the weights, AdamW with a cosine on the delays, cross-entropy of the summed
softmax. The spread of the delays shrinks until the last `frozen_tail` of the epochs, which trains
the frozen form itself (whole delays, no spread), so that rounding costs nothing. The last epoch is
the result: neither the validation nor the test set chooses anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.data.events import Events
from delrec_compile.data.sets import Sets, load_sets
from delrec_compile.errors import UsageError
from delrec_compile.network import Network
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.fold import accuracy, frozen
from delrec_compile.training.model import SpikingNet, class_scores

EVALUATION_BATCH = 150


@dataclass(frozen=True)
class Epoch:
    """What one epoch did. valid_accuracy is of the net as trained, with its present spread."""

    number: int  # from 1
    loss: float
    train_accuracy: float  # with dropout and augmentation
    valid_accuracy: float
    sigma: float
    seconds: float


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A frozen, snapped network and its measured accuracy."""

    network: Network
    accuracy: dict[str, float]  # "valid", "test": of `network`
    history: tuple[Epoch, ...]
    recurrent_parameters: int
    seconds: float


Progress = Callable[[Epoch, int], None]


def train(
    data: str | Path | Sets, config: TrainConfig | None = None, progress: Progress | None = None
) -> TrainResult:
    """Train on a folder of spike data (see `load_sets`) or on sets already read.

    progress(epoch, epochs) is called after each epoch. Writes no file, and leaves torch's random
    state and thread count as they were. Raises DataError (data), UsageError (training diverged).
    """
    config = config or TrainConfig()
    started = time.monotonic()
    sets = data if isinstance(data, Sets) else _load(data, config)
    with _seeded(config):
        net = SpikingNet(sets.train.channels, sets.classes, config)
        history = tuple(_epochs(net, sets, config, progress))
    net.freeze_delays()
    network = frozen(
        net,
        dt_ms=sets.train.dt_ms,
        max_input=_max_input(sets),
        labels=sets.train.keys or (),
        name=config.name,
        notes={
            "command": config.command(),
            "config": asdict(config),
            "train_data_sha256": _digest(sets.train),
        },
    )
    scores = {
        name: accuracy(network, events.counts, events.labels)
        for name, events in (("valid", sets.valid), ("test", sets.test))
    }
    network = replace(network, notes={**network.notes, "accuracy": scores})
    seconds = time.monotonic() - started
    return TrainResult(network, scores, history, network.recurrent_parameters(), seconds)


def _load(folder: str | Path, config: TrainConfig) -> Sets:
    return load_sets(folder, dt_ms=config.dt_ms, steps=config.steps, group=config.group)


def _max_input(sets: Sets) -> int:
    """The smallest 2**k - 1, from 31, that no count of the three sets exceeds."""
    largest = max(int(events.counts.max()) for events in (sets.train, sets.valid, sets.test))
    return int(max(31, 2 ** max(largest, 1).bit_length() - 1))


def _digest(events: Events) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(events.counts).tobytes())
    digest.update(events.labels.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _seeded(config: TrainConfig) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            yield
    finally:
        torch.set_num_threads(threads)


class _Optimisers:
    """Weights and delays with their schedules, stepped together."""

    def __init__(self, net: SpikingNet, config: TrainConfig, batches: int) -> None:
        self.net, self.clip = net, config.clip
        self.weights = torch.optim.AdamW(
            net.weights(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.one_cycle = torch.optim.lr_scheduler.OneCycleLR(
            self.weights, max_lr=config.lr, total_steps=config.epochs * batches
        )
        self.delays: torch.optim.AdamW | None = None
        if net.delays():
            self.delays = torch.optim.AdamW(net.delays(), lr=config.delay_lr, weight_decay=0)
            self.cosine = torch.optim.lr_scheduler.CosineAnnealingLR(
                self.delays, T_max=config.live_epochs * batches
            )

    def step(self, loss: Tensor) -> bool:
        """One update; False, and nothing changed, when loss or gradient is not finite."""
        self.net.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.net.weights(), self.clip)
        if not (loss.isfinite() and norm.isfinite()):
            return False
        self.weights.step()
        self.one_cycle.step()
        if self.delays is not None and self.net.delays():
            self.delays.step()
            self.cosine.step()
            self.net.clamp_delays()
        return True


def _epochs(
    net: SpikingNet, sets: Sets, config: TrainConfig, progress: Progress | None
) -> Iterator[Epoch]:
    batches = math.ceil(len(sets.train) / config.batch)
    optimisers = _Optimisers(net, config, batches)
    generator = torch.Generator().manual_seed(config.seed)
    counts, labels = _padded(sets.train, config), torch.from_numpy(sets.train.labels)
    for number in range(config.epochs):
        started = time.monotonic()
        if number < config.live_epochs:
            net.spread_to(config.sigma * 0.95 ** (100 * number / config.live_epochs))
        else:
            net.freeze_delays()
        loss, right = _epoch(net, optimisers, counts, labels, config, generator)
        if not math.isfinite(loss):
            raise UsageError(
                f"training diverged in epoch {number + 1}: loss or gradient is not finite; "
                f"give a smaller lr (now {config.lr})"
            )
        valid, seconds = _evaluate(net, sets.valid), time.monotonic() - started
        epoch = Epoch(number + 1, loss, right, valid, net.sigma, seconds)
        if progress:
            progress(epoch, config.epochs)
        yield epoch


def _epoch(
    net: SpikingNet,
    optimisers: _Optimisers,
    counts: Tensor,
    labels: Tensor,
    config: TrainConfig,
    generator: torch.Generator,
) -> tuple[float, float]:
    """One pass in random order: mean loss and accuracy. The loss is NaN when training diverges."""
    net.train()
    total, right = 0.0, 0
    order = torch.randperm(len(labels), generator=generator)
    for index in torch.split(order, config.batch):
        x = _shifted(counts, index, config, generator)
        scores = class_scores(net(x.transpose(0, 1)), config.decision)
        loss = nn.functional.cross_entropy(scores, labels[index])
        if not optimisers.step(loss):
            return math.nan, 0.0
        total += loss.item() * len(index)
        right += int((scores.argmax(1) == labels[index]).sum())
    return total / len(labels), right / len(labels)


def _padded(events: Events, config: TrainConfig) -> Tensor:
    """Counts with silence around them, so that a shift is a slice."""
    channels, steps = config.shift_channels, config.shift_steps
    return nn.functional.pad(torch.from_numpy(events.counts), (channels, channels, steps, steps))


def _shifted(
    counts: Tensor, index: Tensor, config: TrainConfig, generator: torch.Generator
) -> Tensor:
    """Utterances (B, T, channels), each shifted at random in time and along the channels."""
    steps = counts.shape[1] - 2 * config.shift_steps
    channels = counts.shape[2] - 2 * config.shift_channels
    late = torch.randint(2 * config.shift_steps + 1, (len(index),), generator=generator).tolist()
    high = torch.randint(2 * config.shift_channels + 1, (len(index),), generator=generator).tolist()
    rows = zip(index.tolist(), late, high, strict=True)
    return torch.stack([counts[i, t : t + steps, c : c + channels] for i, t, c in rows]).float()


@torch.no_grad()
def _evaluate(net: SpikingNet, events: Events) -> float:
    net.eval()
    right = 0
    for first in range(0, len(events), EVALUATION_BATCH):
        span = slice(first, first + EVALUATION_BATCH)
        x = torch.from_numpy(events.counts[span]).float().transpose(0, 1)
        classes = class_scores(net(x), net.config.decision).argmax(1)
        right += int((classes == torch.from_numpy(events.labels[span])).sum())
    return right / len(events)
