"""Classes of samples, run through an artifact or an ONNX file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from delrec_compile.data.events import Events
from delrec_compile.data.samples import batches, first, fitting, read_samples
from delrec_compile.network.inputs import AUTO, Source, read_inputs
from delrec_compile.ops.readout import decide
from delrec_compile.runners.open import OpenedModel, open_runner
from delrec_compile.system.renamed import renamed_arguments


@dataclass(frozen=True)
class Predictions:
    """Classes of a run.

    expected: classes of the labels; empty, and accuracy None, for samples without labels. labels:
    names of the classes, or empty.
    """

    engine: str
    samples: int
    steps: int
    labels: tuple[str, ...]
    classes: tuple[int, ...]
    expected: tuple[int, ...]
    accuracy: float | None
    spikes_per_step: float


@renamed_arguments(words="samples")
def run(path: Path | str, samples: Source = AUTO) -> Predictions:
    """The classes of samples, computed by an artifact, an ONNX file, or the reference of a network.

    samples: see `read_inputs`.
    """
    opened = open_runner(path)
    return _classify(opened, read_inputs(opened.takes, samples).samples)


def predict(path: str, samples: str, limit: int | None) -> dict[str, Any]:
    """In a child: `run` on samples by name, which are known to fit."""
    opened = open_runner(path)
    events = first(read_samples(samples), limit)
    predictions = asdict(_classify(opened, events))
    return {**predictions, "words": predictions["samples"]}  # `words`: the old key, for one version


def _classify(opened: OpenedModel, samples: Events) -> Predictions:
    fitting(samples, opened.takes.inputs)
    classes: list[int] = []
    spikes = 0
    for _, x in batches(samples):
        trace = opened.trace(x)
        classes.extend(decide(opened.decision, trace.y[..., : opened.takes.outputs]).tolist())
        spikes += sum(int(s.sum()) for s in trace.spikes)
    expected = [] if samples.labels is None else samples.labels.tolist()
    correct = sum(c == t for c, t in zip(classes, expected, strict=False))
    return Predictions(
        opened.runner.name,
        len(samples),
        samples.steps,
        opened.takes.labels,
        tuple(classes),
        tuple(expected),
        correct / len(samples) if expected else None,
        spikes / (len(samples) * samples.steps),
    )
