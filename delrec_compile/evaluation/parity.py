"""Two runners side by side on real words: spikes exactly, membranes, classes.

float32 passes with no differing spike. On a network whose sums are exact (see `freeze`) nothing else
is accepted. On another one, the first difference of a sequence is explained when the reference's
membrane was within the stated float error of the threshold; what follows it is its consequence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.data.events import Events
from delrec_compile.data.samples import batches, fitting
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import exact
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.schema import load_model
from delrec_compile.ops.readout import decide
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.open import artifact_runner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Runner, Trace
from delrec_compile.runners.torch_runner import TorchRunner

# float32 error of a sum of some hundred terms, relative to a threshold of 1
FLOAT_ERROR = 1e-5


@dataclass(frozen=True)
class First:
    """Where two engines part. margin: |membrane - threshold| in a float reference."""

    sequence: int
    step: int
    layer: int
    neuron: int
    margin: float | None


@dataclass(frozen=True)
class Parity:
    """Verdict over all sequences. first: the first difference of the first sequence that has one.

    against_float: of an integer form, what its numbers cost: the accuracy of the float network on
    the same words, and the spikes and classes in which the two differ.
    """

    target: str
    reference: str
    sequences: int
    steps: int
    spikes_compared: int
    spikes_differing: int
    explained: int
    first: First | None
    max_abs_error: float
    classes_differing: int
    accuracy: float
    passed: bool
    against_float: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "reference": self.reference,
            "sequences": self.sequences,
            "steps": self.steps,
            "spikes": {
                "compared": self.spikes_compared,
                "differing": self.spikes_differing,
                "sequences_explained_by_margin": self.explained,
                "first": asdict(self.first) if self.first else None,
            },
            "membrane": {"max_abs_error": self.max_abs_error},
            "classes": {"compared": self.sequences, "differing": self.classes_differing},
            "accuracy": self.accuracy,
            "against_float": self.against_float,
            "passed": self.passed,
        }


def compare(
    network: Network,
    runner: Runner,
    words: Events,
    *,
    target: str = "",
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Runs the words through PyTorch and through `runner`, each with its own state."""
    reference = TorchRunner(fitted(network, words))
    tally = _Tally(network, exact(network))
    for at, x in batches(words):
        want = reference.trace(x)
        tally.add(at.start, want, runner.trace(x), reference.membranes, words.labels[at])
        progress(at.stop, len(words))
    return tally.verdict(target or runner.name, len(words), words.steps)


def compare_integer(
    whole: IntegerNetwork,
    network: Network,
    runner: Runner,
    words: Events,
    *,
    target: str = "",
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Runs the words through the integer reference and through `runner`: every bit must agree.

    The float network runs too, to tell what the integers cost.
    """
    reference, float_runner = ReferenceRunner(whole), TorchRunner(fitted(network, words))
    tally, cost = _Tally(network, True, "integer"), _Tally(network, True)
    for at, x in batches(words):
        want, got = reference.trace(x), runner.trace(x)
        tally.add(at.start, want, got, [], words.labels[at])
        cost.add(at.start, got, float_runner.trace(x), [], words.labels[at])
        progress(at.stop, len(words))
    against = {
        "accuracy": cost.right / len(words),
        "spikes_differing": cost.differing,
        "classes_differing": cost.wrong_classes,
    }
    found = tally.verdict(target or runner.name, len(words), words.steps)
    return replace(found, against_float=against)


def check(
    path: Path | str,
    words: Events,
    *,
    network: Network | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Checks an artifact folder against its own frozen network, or an ONNX file against `network`."""
    path = Path(path)
    if path.is_dir():
        artifact = load_artifact(path)
        network = network or checkpoint.load(path / "network.safetensors")
        runner = artifact_runner(artifact)
        return compare_artifact(artifact, network, runner, words, progress)
    model = load_model(path)
    network = network or _source(model.facts["source_sha256"], path)
    return compare(network, OnnxRunner(model), words, target="onnxruntime", progress=progress)


def compare_artifact(
    artifact: Artifact,
    network: Network,
    runner: Runner,
    words: Events,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Compares with the reference of the artifact's numeric mode. network: its float form."""
    target = str(artifact.manifest["target"])
    whole = artifact.integer
    if whole is None:
        return compare(network, runner, words, target=target, progress=progress)
    return compare_integer(whole, network, runner, words, target=target, progress=progress)


def fitted(network: Network, words: Events) -> Network:
    fitting(words, network.inputs)
    return network


def _source(digest: str, path: Path) -> Network:
    """The network an ONNX file was made from: beside it, or bundled."""
    from delrec_compile.errors import ModelError

    places = [
        *sorted(path.parent.glob("*.safetensors")),
        *map(checkpoint.bundled, checkpoint.BUNDLED),
    ]
    for place in places:
        network = checkpoint.load(place)
        if checkpoint.digest(network) == digest:
            return network
    raise ModelError(
        f"{path}: the network it was made from is not beside it; name it with --network"
    )


class _Tally:
    def __init__(self, network: Network, strict: bool, reference: str = "torch") -> None:
        self.network, self.strict, self.reference = network, strict, reference
        self.compared = self.differing = self.split = self.explained = 0
        self.wrong_classes = self.right = 0
        self.first: First | None = None
        self.worst = 0.0

    def add(self, start: int, want: Trace, got: Trace, membranes: list[Any], labels: Any) -> None:
        unlike = [w != g for w, g in zip(want.spikes, got.spikes, strict=True)]
        self.compared += sum(u.size for u in unlike)
        self.differing += sum(int(u.sum()) for u in unlike)
        self.worst = max(self.worst, float(np.abs(want.y - got.y).max()))
        rule = self.network.readout.decision
        classes = decide(rule, got.y)
        self.wrong_classes += int((decide(rule, want.y) != classes).sum())
        self.right += int((classes == labels).sum())
        for b in np.flatnonzero(np.any([u.any(axis=(0, 2)) for u in unlike], axis=0)):
            self._split(start, int(b), unlike, membranes)

    def _split(self, start: int, b: int, unlike: list[Any], membranes: list[Any]) -> None:
        """A sequence whose spikes differ: where first, and whether its margin explains it."""
        step, layer = min(
            (int(np.argmax(u[:, b].any(axis=1))), i) for i, u in enumerate(unlike) if u[:, b].any()
        )
        neuron = int(np.argmax(unlike[layer][step, b]))
        part = self.network.layers[layer]
        threshold = float(np.broadcast_to(part.lif.threshold, part.size)[neuron])
        margin = abs(float(membranes[layer][step, b, neuron]) - threshold) if membranes else None
        self.split += 1
        near = margin is not None and margin <= FLOAT_ERROR * max(1.0, abs(threshold))
        if not self.strict and near:
            self.explained += 1
        if self.first is None:
            self.first = First(start + b, step, layer, neuron, margin)

    def verdict(self, target: str, sequences: int, steps: int) -> Parity:
        explained = self.split == self.explained
        agree = self.differing == 0 and self.wrong_classes == 0
        # a difference of membranes without one of spikes is rounding, which an exact network has not
        close = self.worst == 0.0 if self.strict else self.split > 0 or self.worst < 1e-3
        return Parity(
            target=target,
            reference=self.reference,
            sequences=sequences,
            steps=steps,
            spikes_compared=self.compared,
            spikes_differing=self.differing,
            explained=self.explained,
            first=self.first,
            max_abs_error=self.worst,
            classes_differing=self.wrong_classes,
            accuracy=self.right / sequences,
            passed=close and (agree or (explained and not self.strict)),
        )
