"""The verdict over all sequences of a check, counted batch by batch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from delrec_compile.network.model import Network
from delrec_compile.network.tolerances import MARGIN, for_outputs
from delrec_compile.runners.divergence import Divergence, first_divergence, membrane_and_threshold
from delrec_compile.runners.firing import Firing
from delrec_compile.runners.runner import Trace


@dataclass(frozen=True)
class Parity:
    """Verdict over all sequences. first: the first difference of the first sequence that has one.

    accuracy: None where the samples have no labels, or those of another set than the network's.
    against_float: cost of an integer form: the accuracy of the float network on the same samples, and
    the spikes and classes in which the two differ. agrees: no difference that is not explained.
    firing: of the reference, on all samples. remark: what was left out, or empty.
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
    remark: str = ""

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
            "remark": self.remark,
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


class ParityCounter:
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
