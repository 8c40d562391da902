"""What a network does on one sample: spikes, membranes, outputs; and the spikes of its artifact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.data.events import Events
from delrec_compile.data.samples import batches, read_samples
from delrec_compile.errors import DelrecError, UsageError
from delrec_compile.network.inputs import stored
from delrec_compile.network.model import Network
from delrec_compile.ops.readout import decide
from delrec_compile.runners.divergence import Divergence, first_divergence
from delrec_compile.runners.open import artifact_runner
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import child

Spikes = NDArray[np.uint8]


@dataclass(frozen=True)
class Recording:
    """A run of one sample in PyTorch, beside the artifact's own code where that runs here.

    index: of the sample. x: (T, inputs). spikes, membranes: (T, N) of each population that fires, the
    membrane before its reset; thresholds: (N,) of each. y: (T, outputs). label, decided: classes.
    other: spikes of the artifact, or None; engine: its name, or why it was not run. first: where the
    two differ first.
    """

    index: int
    x: F32
    dt_ms: float
    names: tuple[str, ...]
    spikes: tuple[Spikes, ...]
    membranes: tuple[F32, ...]
    thresholds: tuple[F32, ...]
    y: F32
    label: int | None
    decided: int
    labels: tuple[str, ...] = ()
    engine: str = ""
    other: tuple[Spikes, ...] | None = None
    first: Divergence | None = None

    @property
    def steps(self) -> int:
        return len(self.x)

    @property
    def differing(self) -> int:
        """Spikes in which the artifact differs; 0 where it was not run."""
        pairs = zip(self.spikes, self.other or self.spikes, strict=True)
        return sum(int((a != b).sum()) for a, b in pairs)

    def named(self, index: int) -> str:
        """The name of a class, or its number."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"

    @property
    def class_text(self) -> str:
        """The class that came out, and whether it is that of the label."""
        if self.label is None:
            return f"classified as {self.named(self.decided)}"
        if self.label == self.decided:
            return f"classified as {self.named(self.decided)}, which is its label"
        return f"classified as {self.named(self.decided)}; its label is {self.named(self.label)}"


def record(network: Network, samples: Events, index: int = 0) -> Recording:
    """The network on a sample. Raises UsageError for a sample that is not there."""
    if not 0 <= index < len(samples):
        raise UsageError(f"sample {index} is none of the {len(samples)}; 0 is the first")
    one = samples.take([index])
    _, x = next(batches(one))
    runner = TorchRunner(network)
    trace = runner.trace(x)
    size = network.readouts[0].size
    decided = int(decide(network.readout.decision, trace.y[..., :size])[0])
    thresholds = [
        np.broadcast_to(np.asarray(p.model.threshold, np.float32), p.size) for p in network.spiking
    ]
    return Recording(
        index,
        x[:, 0],
        network.dt_ms,
        tuple(p.name for p in network.spiking),
        tuple(s[:, 0] for s in trace.spikes),
        tuple(m[:, 0] for m in runner.membranes),
        tuple(thresholds),
        trace.y[:, 0],
        None if one.labels is None else int(one.labels[0]),
        decided,
        tuple(network.labels),
    )


def beside(
    recording: Recording, artifact: Artifact, network: Network, samples: Events
) -> Recording:
    """The recording with the spikes of the artifact's code on the same sample, where it runs here."""
    m = artifact.manifest
    if m.is_gpu or not (m.runs_here or m.core):
        return replace(recording, engine=f"code for {m.machine} is not run for this page")
    try:
        with stored(network, samples.take([recording.index])) as spec:
            answer = child.call(
                "delrec_compile.evaluation.page.recording:spikes_of",
                path=str(artifact.path),
                samples=spec,
            )
    except DelrecError as error:
        return replace(recording, engine=f"its code was not run: {error}")
    other = tuple(_dense(at, s) for at, s in zip(answer["spikes"], recording.spikes, strict=True))
    return compared(replace(recording, engine=answer["engine"]), other)


def compared(recording: Recording, other: Sequence[Spikes]) -> Recording:
    """The recording beside the spikes of another engine."""
    differ = [(a != b)[:, None] for a, b in zip(recording.spikes, other, strict=True)]
    first = first_divergence(differ)
    if first is not None:
        first = replace(first, sequence=recording.index, population=recording.names[first.layer])
    return replace(recording, other=tuple(other), first=first)


def spikes_of(path: str, samples: str) -> dict[str, Any]:
    """In the child: steps and neurons of the spikes of each population, on the first sample."""
    runner = artifact_runner(load_artifact(Path(path)))
    _, x = next(batches(read_samples(samples)))
    trace = runner.trace(x[:, :1])
    return {
        "engine": getattr(runner, "how", "native code"),
        "spikes": [np.argwhere(s[:, 0]).tolist() for s in trace.spikes],
    }


def _dense(at: Sequence[Sequence[int]], like: Spikes) -> Spikes:
    out = np.zeros_like(like)
    if at:
        steps, neurons = np.array(at).T
        out[steps, neurons] = 1
    return out
