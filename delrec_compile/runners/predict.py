"""Classes of samples, run through an artifact or an ONNX file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from delrec_compile.data.events import Events
from delrec_compile.data.samples import batches, first, fitting, read_words
from delrec_compile.ops.readout import decide
from delrec_compile.runners.open import open_runner


@dataclass(frozen=True)
class Answers:
    """Classes of a run. expected: what the labels say. labels: names of the classes, or empty."""

    engine: str
    words: int
    steps: int
    labels: tuple[str, ...]
    classes: tuple[int, ...]
    expected: tuple[int, ...]
    accuracy: float
    spikes_per_step: float


def run(path: Path | str, words: Events) -> Answers:
    """Runs the words through an artifact or an ONNX file."""
    opened = open_runner(path)
    fitting(words, opened.inputs)
    classes: list[int] = []
    spikes = 0
    for _, x in batches(words):
        trace = opened.runner.trace(x)
        classes.extend(decide(opened.decision, trace.y).tolist())
        spikes += sum(int(s.sum()) for s in trace.spikes)
    right = sum(c == t for c, t in zip(classes, words.labels.tolist(), strict=True))
    return Answers(
        opened.runner.name,
        len(words),
        words.steps,
        opened.labels,
        tuple(classes),
        tuple(words.labels.tolist()),
        right / len(words),
        spikes / (len(words) * words.steps),
    )


def answers(path: str, words: str, limit: int | None, steps: int) -> dict[str, Any]:
    """In a child: `run` on words by name."""
    opened_dt = open_runner(path).dt_ms
    return asdict(run(path, first(read_words(words, steps=steps, dt_ms=opened_dt), limit)))
