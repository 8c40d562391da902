"""What an import gives: the frozen network, what to know of it, and how its spikes compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.model import Network
from delrec_compile.network.tolerances import FOREIGN_MARGIN
from delrec_compile.runners.divergence import Divergence, first_divergence, membrane_and_threshold
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner

MEAN = 0.4  # of random input counts


class Model(Protocol):
    """A framework's own model, run from a fresh state."""

    @property
    def name(self) -> str:
        """The framework."""
        ...

    def spikes(self, x: F32) -> list[F32]:
        """x: (T, batch, inputs). Returns the spikes (T, batch, N) of each of its spiking layers."""
        ...


@dataclass(frozen=True)
class Check:
    """Spikes of the frozen network beside those of the model that it was made from.

    against: whose spikes they are. spikes: how many the model fired. first: the first that differs,
    or None. margin: distance of the network's membrane to its threshold there, as a share of the
    larger of the two: 0 is on it, above FOREIGN_MARGIN no order of a sum explains it.
    """

    against: str
    sequences: int
    steps: int
    compared: int
    differing: int
    spikes: int
    first: Divergence | None
    margin: float | None = None

    @property
    def misread(self) -> bool:
        """Whether the first difference is more than rounding."""
        return self.margin is not None and self.margin > FOREIGN_MARGIN

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON takes them."""
        fields = asdict(self)
        if self.first is not None:
            del fields["first"]["margin"]  # it stands beside `first`
        return fields


@dataclass(frozen=True, eq=False)
class Imported:
    """network: frozen, its weights on the grid of exact sums. unfrozen: the same before that.

    source: the framework. remarks: what the import decided or rounded. model: the framework's own,
    where it is there. layers: which layers of the network are its spiking layers; the others only
    carry delays.
    """

    network: Network
    unfrozen: Network
    source: str
    remarks: tuple[str, ...] = ()
    model: Model | None = None
    layers: tuple[int, ...] | None = None

    def check(
        self,
        steps: int = 200,
        batch: int = 4,
        seed: int = 0,
        x: F32 | None = None,
        frozen: bool = True,
    ) -> Check:
        """Runs the model and the frozen network, on random counts or on x (T, batch, inputs).

        frozen: False takes the network before its weights went onto their grid: what differs then
        is rounding in the framework's own order.

        Without a live model the frozen network is compared with itself before its weights went onto
        their grid.
        """
        if x is None:
            x = counts(self.network, steps, batch, seed)
        network = self.network if frozen else self.unfrozen
        runner = TorchRunner(network)
        found = runner.trace(x).spikes
        if self.model is None:
            against = "the model before freezing"
            theirs: Sequence[Any] = ReferenceRunner(self.unfrozen).trace(x).spikes
            ours: Sequence[Any] = found
        else:
            against = self.model.name
            theirs = self.model.spikes(x)
            ours = [found[i] for i in self.layers] if self.layers is not None else found
        made = compare(against, ours, theirs)
        return replace(made, margin=_margin(made, network, runner.membranes, self.layers))


def counts(network: Network, steps: int, batch: int, seed: int) -> F32:
    """Random input counts (T, batch, inputs), at most the network's largest."""
    rng = np.random.default_rng(seed)
    x = np.minimum(rng.poisson(MEAN, (steps, batch, network.inputs)), network.max_input)
    return x.astype(np.float32)


def compare(against: str, ours: Sequence[Any], theirs: Sequence[Any]) -> Check:
    """Spikes (T, batch, N) of each layer. Raises UnsupportedError where they are not of one shape."""
    shapes = [[list(np.shape(s)) for s in side] for side in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise UnsupportedError(
            f"{against} gives spikes of shapes {shapes[1]}, the network of {shapes[0]}; the model "
            "does not take its steps as the import was told"
        )
    mismatches = [np.asarray(a) != np.asarray(b) for a, b in zip(ours, theirs, strict=True)]
    steps, batch = np.shape(ours[0])[:2]
    return Check(
        against,
        batch,
        steps,
        sum(m.size for m in mismatches),
        sum(int(m.sum()) for m in mismatches),
        sum(int(np.asarray(b).astype(bool).sum()) for b in theirs),
        first_divergence(mismatches),
    )


def _margin(
    check: Check, network: Network, membranes: Sequence[F32], layers: tuple[int, ...] | None
) -> float | None:
    if check.first is None:
        return None
    layer = check.first.layer if layers is None else layers[check.first.layer]
    at = replace(check.first, layer=layer)
    membrane, threshold = membrane_and_threshold(network, membranes, at)
    return abs(membrane - threshold) / (max(abs(membrane), abs(threshold)) or 1.0)
