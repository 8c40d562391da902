"""Two runners side by side on real samples: spikes exactly, membranes, classes.

A check in which no neuron fired proves nothing, and does not pass. float32 passes with no differing
spike. On a network whose sums are exact (see `freeze`) nothing else
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
from delrec_compile.errors import InputError
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import exact
from delrec_compile.network.inputs import AUTO, Source, read_inputs
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.network.onnx_step.schema import load_model, read_model
from delrec_compile.network.tolerances import MARGIN, for_outputs
from delrec_compile.runners.divergence import Divergence, first_divergence, membrane_and_threshold
from delrec_compile.runners.firing import Firing
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.open import NETWORKS, artifact_runner, source_of
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Runner, Trace
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system.recognise import recognise
from delrec_compile.system.renamed import renamed_arguments


@dataclass(frozen=True)
class Parity:
    """Verdict over all sequences. first: the first difference of the first sequence that has one.

    accuracy: None where the samples have no labels, or those of another set than the network's.
    against_float: cost of an integer form: the accuracy of the float network on the same samples, and
    the spikes and classes in which the two differ. agrees: no difference that is not explained.
    firing: of the reference, on all samples.
    """

    target: str
    reference: str
    sequences: int
    steps: int
    spikes_compared: int
    spikes_differing: int
    explained: int
    first: Divergence | None
    max_abs_error: float
    classes_differing: int
    accuracy: float | None
    agrees: bool
    firing: Firing
    against_float: dict[str, Any] | None = None

    @property
    def silent(self) -> bool:
        """Whether no neuron fired: the check proves nothing."""
        return self.firing.silent

    @property
    def passed(self) -> bool:
        """Whether it agrees, and fired."""
        return self.agrees and not self.silent

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
            "firing": self.firing.as_dict(),
            "agrees": self.agrees,
            "passed": self.passed,
        }


def accept_silence(parity: dict[str, Any]) -> dict[str, Any]:
    """The check, passed if it agrees, although no neuron may have fired. parity: `as_dict()`."""
    return {**parity, "passed": parity["agrees"]}


def compare(
    network: Network,
    runner: Runner,
    samples: Events,
    *,
    target: str = "",
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Runs the samples through PyTorch and through `runner`, each with its own state."""
    reference = TorchRunner(fitted(network, samples))
    tally = _ParityCounter(network, exact(network))
    for at, x in batches(samples):
        want = reference.trace(x)
        tally.add(at.start, want, runner.trace(x), reference.membranes, _labels(samples, at))
        progress(at.stop, len(samples))
    return tally.verdict(target or runner.name, len(samples), samples.steps)


def compare_integer(
    whole: IntegerNetwork,
    network: Network,
    runner: Runner,
    samples: Events,
    *,
    target: str = "",
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Runs the samples through the integer reference and through `runner`: every bit must agree.

    The float network runs too, for the cost of the integers.
    """
    reference, float_runner = ReferenceRunner(whole), TorchRunner(fitted(network, samples))
    tally, cost = _ParityCounter(network, True, "integer"), _ParityCounter(network, True)
    for at, x in batches(samples):
        want, got = reference.trace(x), runner.trace(x)
        tally.add(at.start, want, got, [], _labels(samples, at))
        cost.add(at.start, got, float_runner.trace(x), [], _labels(samples, at))
        progress(at.stop, len(samples))
    against = {
        "accuracy": cost.accuracy(len(samples)),
        "spikes_differing": cost.differing,
        "classes_differing": cost.classes_differing,
    }
    verdict = tally.verdict(target or runner.name, len(samples), samples.steps)
    return replace(verdict, against_float=against)


@renamed_arguments(words="samples")
def check(
    path: Path | str,
    samples: Source = AUTO,
    *,
    network: Network | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Checks an artifact folder against its own frozen network, or an ONNX file against `network`.

    A network is exported, and its ONNX step is checked in ONNX Runtime.
    samples: see `read_inputs`.
    """
    path = Path(path)
    if path.is_dir():
        artifact = load_artifact(path)
        network = _of_artifact(path, network)
        chosen = read_inputs(network, samples).samples
        runner = artifact_runner(artifact)
        return compare_artifact(artifact, network, runner, chosen, progress)
    if recognise(path).kind in NETWORKS:
        network = network or checkpoint.load(path)
        model = read_model(model_of(network))
    else:
        model = load_model(path)
        network = network or source_of(model, path)
        sizes = (network.inputs, network.outputs)
        if sizes != (model.inputs, model.outputs):
            raise InputError(
                f"{path} has {model.inputs} inputs and {model.outputs} outputs, the network that is "
                f"given {sizes[0]} and {sizes[1]}; pass the one that it was exported from"
            )
    chosen = read_inputs(network, samples).samples
    return compare(network, OnnxRunner(model), chosen, target="onnxruntime", progress=progress)


def _of_artifact(path: Path, given: Network | None) -> Network:
    """The network that an artifact was made of. Raises InputError where another one is given."""
    own = checkpoint.load(path / "network.safetensors")
    if given is not None and checkpoint.digest(replace(given, name=own.name)) != checkpoint.digest(
        own
    ):
        raise InputError(
            f"{path} was made of another network (of {own.inputs} inputs, {own.outputs} outputs) than "
            "the one that is given; omit --network, or build that one"
        )
    return own


def compare_artifact(
    artifact: Artifact,
    network: Network,
    runner: Runner,
    samples: Events,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Compares with the reference of the artifact's numeric mode. network: its float form."""
    target = artifact.manifest.target
    whole = artifact.integer
    if whole is None:
        return compare(network, runner, samples, target=target, progress=progress)
    return compare_integer(whole, network, runner, samples, target=target, progress=progress)


def _labels(samples: Events, at: slice) -> Any:
    return None if samples.labels is None else samples.labels[at]


def fitted(network: Network, samples: Events) -> Network:
    fitting(samples, network.inputs)
    return network


class _ParityCounter:
    """Counts over batches. strict: every bit must agree. reference: its name in the verdict."""

    def __init__(self, network: Network, strict: bool, reference: str = "torch") -> None:
        self.network, self.strict, self.reference = network, strict, reference
        self.compared = self.differing = self.split = self.explained = 0
        self.classes_differing = self.correct = 0
        self.first: Divergence | None = None
        self.worst = 0.0
        self.fired = np.zeros(len(network.spiking), np.int64)
        self.seen = np.zeros(len(network.spiking), np.int64)  # neuron-steps
        self.labelled = True

    def add(self, start: int, want: Trace, got: Trace, membranes: list[Any], labels: Any) -> None:
        """A batch whose first sequence is number `start`. membranes: of the reference, or empty."""
        mismatches = [w != g for w, g in zip(want.spikes, got.spikes, strict=True)]
        self.fired += [np.count_nonzero(w) for w in want.spikes]
        self.seen += [m.size for m in mismatches]
        self.compared += sum(m.size for m in mismatches)
        self.differing += sum(int(m.sum()) for m in mismatches)
        self.worst = max(self.worst, float(np.abs(want.y - got.y).max()))
        readout, n = self.network.readout, self.network.readout.size  # labels are of the first one
        classes = readout.classes(got.y[:, :, :n])
        self.classes_differing += int((readout.classes(want.y[:, :, :n]) != classes).sum())
        if labels is None:
            self.labelled = False
        else:
            self.correct += int((classes == labels).sum())
        for b in np.flatnonzero(np.any([m.any(axis=(0, 2)) for m in mismatches], axis=0)):
            one = slice(b, b + 1)
            own = [m[:, one] for m in membranes]
            self._add_split(start + int(b), [m[:, one] for m in mismatches], own)

    def _add_split(self, sequence: int, mismatches: list[Any], membranes: list[Any]) -> None:
        """One sequence whose spikes differ: where first, and whether its margin explains it."""
        at = first_divergence(mismatches)
        assert at is not None
        margin, near = None, False
        if membranes:
            membrane, threshold = membrane_and_threshold(self.network, membranes, at)
            margin = abs(membrane - threshold)
            near = margin <= MARGIN * max(1.0, abs(threshold))
        self.split += 1
        if not self.strict and near:
            self.explained += 1
        if self.first is None:
            name = self.network.spiking[at.layer].name if self.network.graph else None
            self.first = replace(at, sequence=sequence, margin=margin, population=name)

    def accuracy(self, sequences: int) -> float | None:
        """Share of the sequences whose class is their label; None without labels."""
        return self.correct / sequences if self.labelled else None

    def verdict(self, target: str, sequences: int, steps: int) -> Parity:
        """The counts as a `Parity`."""
        explained = self.split == self.explained
        agree = self.differing == 0 and self.classes_differing == 0
        # a difference of membranes without one of spikes is rounding, which an exact network has not
        near = self.worst <= for_outputs(self.strict) or (not self.strict and self.split > 0)
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
            classes_differing=self.classes_differing,
            accuracy=self.accuracy(sequences),
            agrees=near and (agree or (explained and not self.strict)),
            firing=Firing(
                tuple(self.fired.tolist()),
                tuple((self.fired / np.maximum(self.seen, 1)).tolist()),
                tuple(p.name for p in self.network.spiking) if self.network.graph else (),
            ),
        )
