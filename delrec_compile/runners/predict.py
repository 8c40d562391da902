"""Classes of samples, run through an artifact or an ONNX file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from delrec_compile.data.events import Events
from delrec_compile.data.samples import batches, first, fitting, read_samples
from delrec_compile.ops.readout import decide
from delrec_compile.runners.open import open_runner
from delrec_compile.system.renamed import renamed_arguments


@dataclass(frozen=True)
class Predictions:
    """Classes of a run. expected: what the labels say. labels: names of the classes, or empty."""

    engine: str
    samples: int
    steps: int
    labels: tuple[str, ...]
    classes: tuple[int, ...]
    expected: tuple[int, ...]
    accuracy: float
    spikes_per_step: float


@renamed_arguments(words="samples")
def run(path: Path | str, samples: Events) -> Predictions:
    """Runs the samples through an artifact or an ONNX file."""
    opened = open_runner(path)
    fitting(samples, opened.inputs)
    classes: list[int] = []
    spikes = 0
    for _, x in batches(samples):
        trace = opened.runner.trace(x)
        classes.extend(decide(opened.decision, trace.y).tolist())
        spikes += sum(int(s.sum()) for s in trace.spikes)
    right = sum(c == t for c, t in zip(classes, samples.labels.tolist(), strict=True))
    return Predictions(
        opened.runner.name,
        len(samples),
        samples.steps,
        opened.labels,
        tuple(classes),
        tuple(samples.labels.tolist()),
        right / len(samples),
        spikes / (len(samples) * samples.steps),
    )


def predict(path: str, samples: str, limit: int | None, steps: int) -> dict[str, Any]:
    """In a child: `run` on samples by name."""
    opened_dt = open_runner(path).dt_ms
    predictions = asdict(
        run(path, first(read_samples(samples, steps=steps, dt_ms=opened_dt), limit))
    )
    return {**predictions, "words": predictions["samples"]}  # `words`: the old key, for one version
