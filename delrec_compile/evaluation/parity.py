"""Two runners side by side on real samples: spikes exactly, membranes, classes.

A check in which no neuron fired proves nothing, and does not pass. float32 passes with no differing
spike. On a network whose sums are exact (see `freeze`) nothing else
is accepted. On another one, the first difference of a sequence is explained when the reference's
membrane was within the stated float error of the threshold; what follows it is its consequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.data.events import Events
from delrec_compile.data.samples import BATCH, batches, first, fitting
from delrec_compile.errors import InputError
from delrec_compile.evaluation.excerpt import excerpt
from delrec_compile.evaluation.verdict import Parity, ParityCounter
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import exact
from delrec_compile.network.inputs import AUTO, Source, read_inputs
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.network.onnx_step.schema import load_model, read_model
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.open import NETWORKS, artifact_runner, source_of
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Runner, Trace
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system.recognise import recognise
from delrec_compile.system.renamed import renamed_arguments

ONNX = "onnxruntime"  # target of the check of a step
HELD = 1 << 23  # spikes of a batch
LEAST_BATCH = 16  # samples: with fewer, reading the weights takes most of the time


@dataclass
class _Comparison:
    """A runner beside the reference of its numeric mode, batch by batch.

    integer: that reference; None: PyTorch, whose float network runs beside integers too, for their cost.
    """

    network: Network
    runner: Runner
    target: str
    integer: IntegerNetwork | None = None

    def __post_init__(self) -> None:
        strict = self.integer is not None or exact(self.network)
        self.tally = ParityCounter(
            self.network, strict, "integer" if self.integer is not None else "torch"
        )
        self.cost = ParityCounter(self.network, True)

    def add(self, at: slice, x: F32, floats: Trace, labels: Any) -> None:
        """A batch, and what PyTorch computes of it."""
        got = self.runner.trace(x)
        if self.integer is None:
            near = [] if _equal(floats, got) else _membranes(self.network, x)
            self.tally.add(at.start, floats, got, near, labels)
        else:
            self.tally.add(at.start, ReferenceRunner(self.integer).trace(x), got, [], labels)
            self.cost.add(at.start, got, floats, [], labels)

    def verdict(self, samples: Events) -> Parity:
        n = len(samples)
        found = self.tally.verdict(self.target or self.runner.name, n, samples.steps)
        if self.integer is None:
            return found
        against = {
            "accuracy": self.cost.accuracy(n),
            "spikes_differing": self.cost.differing,
            "classes_differing": self.cost.classes_differing,
        }
        return replace(found, against_float=against)


def _equal(a: Trace, b: Trace) -> bool:
    return all(np.array_equal(s, t) for s, t in zip(a.spikes, b.spikes, strict=True))


def _membranes(network: Network, x: F32) -> list[F32]:
    """Of the reference, which computes a batch again where a spike differs."""
    reference = TorchRunner(network)
    reference.trace(x)
    return reference.membranes


def _compared(
    comparisons: Sequence[_Comparison], samples: Events, progress: Callable[[int, int], None]
) -> list[Parity]:
    """The verdicts of runners of one network; PyTorch runs each batch once."""
    network = comparisons[0].network
    reference = TorchRunner(fitted(network, samples), spikes_only=True)
    for at, x in batches(samples, batch_of(network, samples.steps)):
        want = reference.trace(x)
        for each in comparisons:
            each.add(at, x, want, _labels(samples, at))
        progress(at.stop, len(samples))
    return [each.verdict(samples) for each in comparisons]


def batch_of(network: Network, steps: int) -> int:
    """Samples that run at once: fewer where the spikes of a batch would take much memory."""
    neurons: int = sum(p.size for p in network.spiking)
    return max(LEAST_BATCH, min(BATCH, HELD // (neurons * max(1, steps))))


def compare(
    network: Network,
    runner: Runner,
    samples: Events,
    *,
    target: str = "",
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Runs the samples through PyTorch and through `runner`, each with its own state."""
    return _compared([_Comparison(network, runner, target)], samples, progress)[0]


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
    return _compared([_Comparison(network, runner, target, whole)], samples, progress)[0]


@renamed_arguments(words="samples")
def check(
    path: Path | str,
    samples: Source = AUTO,
    *,
    network: Network | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Parity:
    """Checks an artifact folder against its own frozen network, or an ONNX file against `network`.

    A network is exported, and its ONNX step is checked in ONNX Runtime.
    samples: see `read_inputs`; limit: the first of them. Without it all run, and in an emulator what
    lasts a minute or so: see `excerpt`.
    """
    path = Path(path)
    if path.is_dir():
        artifact = load_artifact(path)
        network = _of_artifact(path, network)
        chosen = first(read_inputs(network, samples).samples, limit)
        runner = artifact_runner(artifact)
        options = {"whole": limit is not None, "counted": False}
        return compare_artifact(artifact, network, runner, chosen, progress, **options)
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
    chosen = first(read_inputs(network, samples).samples, limit)
    return compare(network, OnnxRunner(model), chosen, target=ONNX, progress=progress)


def check_with_step(
    path: Path | str, network: Network, samples: Source, limit: int | None = None
) -> tuple[Parity, Parity]:
    """Checks an artifact of this machine, and the ONNX file in it, against one run of PyTorch."""
    artifact = load_artifact(path)
    chosen = first(read_inputs(network, samples).samples, limit)
    target, runner = artifact.manifest.target, artifact_runner(artifact)
    step = OnnxRunner(load_model(artifact.path / "model.onnx"))
    own = _Comparison(network, runner, target, artifact.integer)
    ours, onnx = _compared([own, _Comparison(network, step, ONNX)], chosen, lambda *_: None)
    return ours, onnx


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
    *,
    whole: bool = True,
    counted: bool = True,
) -> Parity:
    """Compares with the reference of the artifact's numeric mode. network: its float form.

    whole, counted: as in `excerpt`; without them an emulator runs a part, and counts no instructions.
    """
    options: dict[str, Any] = {"target": artifact.manifest.target, "progress": progress}
    integer = artifact.integer
    fitting(samples, network.inputs)
    part = excerpt(integer or network, runner, samples, whole=whole, counted=counted)
    if integer is None:
        found = compare(network, runner, part.samples, **options)
    else:
        found = compare_integer(integer, network, runner, part.samples, **options)
    return part.told(found)


def _labels(samples: Events, at: slice) -> Any:
    return None if samples.labels is None else samples.labels[at]


def fitted(network: Network, samples: Events) -> Network:
    fitting(samples, network.inputs)
    return network
