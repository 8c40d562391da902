"""The result of an import: the frozen network, remarks, and a comparison of spikes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.network import checkpoint, grid_choice
from delrec_compile.network.drive import drive
from delrec_compile.network.grid import AUTO, snap
from delrec_compile.network.input_bits import with_real_input
from delrec_compile.network.model import Network
from delrec_compile.network.tolerances import FOREIGN_MARGIN
from delrec_compile.runners.divergence import Divergence, first_divergence, membrane_and_threshold
from delrec_compile.runners.firing import Firing
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner

STEPS, BATCH = 200, 4  # of a check


class Model(Protocol):
    """A model of a framework, run from a fresh state."""

    @property
    def name(self) -> str:
        """Name of the framework."""
        ...

    def spikes(self, x: F32) -> list[F32]:
        """Spikes (T, batch, N) of each spiking layer on x (T, batch, inputs)."""
        ...


@dataclass(frozen=True)
class SpikeCheck:
    """Spikes of the frozen network beside those of the model that it was made from.

    against: the model. spikes: number of spikes of the model. first: first differing spike, or None.
    firing: of the model, in each of its spiking layers. density: share of the inputs that were active
    in a step. margin: distance of the network's membrane from its threshold at `first`, as a share of
    the larger of the two; above FOREIGN_MARGIN the order of a sum does not explain it.
    """

    against: str
    sequences: int
    steps: int
    compared: int
    differing: int
    spikes: int
    first: Divergence | None
    firing: Firing
    density: float = 0.0
    margin: float | None = None

    @property
    def misread(self) -> bool:
        """Whether the first difference is more than rounding."""
        return self.margin is not None and self.margin > FOREIGN_MARGIN

    def as_dict(self) -> dict[str, Any]:
        """The fields for JSON."""
        fields = {**asdict(self), "firing": self.firing.as_dict()}
        if self.first is not None:
            del fields["first"]["margin"]  # it stands beside `first`
        return fields


@dataclass(frozen=True, eq=False)
class Imported:
    """network: frozen, its weights on the grid of exact sums. unfrozen: the network before that.

    source: name of the framework. remarks: decisions and roundings of the import. model: the model
    itself, if it can run. names: of the spiking layers in the model. still: steps that the model
    makes of one input by itself; 1: none.
    """

    network: Network
    unfrozen: Network
    source: str
    remarks: tuple[str, ...] = ()
    model: Model | None = None
    names: tuple[str, ...] = ()
    still: int = 1

    def drawn(
        self,
        steps: int = STEPS,
        batch: int = BATCH,
        seed: int = 0,
        density: float | None = None,
    ) -> F32:
        """Random counts (T, batch, inputs) of a check: of a model that makes its steps of one input, as
        many of them as make up the steps."""
        if self.still == 1:
            return random_counts(self.network, steps, batch, seed, density)
        pictures = -(-steps // self.still) * batch
        x = random_counts(self.network, self.still, pictures, seed, density)
        return np.repeat(x[-1:], self.still, axis=0)

    def named_after(self, path: Path) -> Imported:
        """The same, named after its file where it has no name of its own."""
        network, unfrozen = (checkpoint.named_after(n, path) for n in (self.network, self.unfrozen))
        return replace(self, network=network, unfrozen=unfrozen)

    def with_real_input(self, samples: NDArray[Any]) -> Imported:
        """The same for real inputs: how they are rounded is chosen from samples (..., inputs).

        See `network.input_bits`. Raises NetworkError for samples without finite values other than 0.
        """
        unfrozen = with_real_input(self.unfrozen, samples)
        return replace(self, network=snap(unfrozen), unfrozen=unfrozen)

    def for_samples(self, samples: NDArray[Any]) -> Imported:
        """The same, of real inputs if the samples (..., inputs) hold a value that is no count."""
        values = np.asarray(samples)
        if self.network.real_input is not None or not values.size:
            return self
        counts = (values >= 0) & (values == np.rint(values))
        return self if bool(counts.all()) else self.with_real_input(values)

    def on_grid(self, grid: str, x: F32 | None = None) -> Imported:
        """The same with its weights on another grid: `int16`, `fine`, or `auto`.

        auto: `fine` for the layers that then lose fewer spikes on x (T, batch, inputs), random counts
        by default. Raises UsageError for another name, NetworkError for sums too large for any grid.
        """
        if grid_choice.checked(grid) != AUTO:
            return replace(self, network=snap(self.unfrozen, grid))
        if x is None:
            x = self.drawn()

        def differing(network: Network) -> int:
            return replace(self, network=network).check(x=x).differing

        network = grid_choice.choose(self.unfrozen, self.network, differing)
        return replace(self, network=network)

    def check(
        self,
        steps: int = STEPS,
        batch: int = BATCH,
        seed: int = 0,
        x: F32 | None = None,
        frozen: bool = True,
        density: float | None = None,
    ) -> SpikeCheck:
        """Runs the model and the frozen network, on random counts or on x (T, batch, inputs).

        density: share of the inputs that are active in a step of the random counts; by default one
        at which 2 to 10 % of the neurons fire, if there is one. frozen: False runs the network before
        its weights went onto their grid, which differs from the model by rounding only. Without a
        model, the frozen network is compared with the network before that.
        """
        if x is None:
            x = self.drawn(steps, batch, seed, density)
        network = self.network if frozen else self.unfrozen
        runner = TorchRunner(network)
        spikes = runner.trace(x).spikes
        if self.model is None:
            against = "the model before freezing"
            theirs: Sequence[Any] = ReferenceRunner(self.unfrozen).trace(x).spikes
        else:
            against = self.model.name
            theirs = self.model.spikes(x)
        check = compare_spikes(against, spikes, theirs)
        check = replace(check, density=float(np.mean(x != 0)))
        return replace(check, margin=_margin(check, network, runner.membranes))


def random_counts(
    network: Network, steps: int, batch: int, seed: int, density: float | None = None
) -> F32:
    """Random input counts (T, batch, inputs), at the density, or at one at which the network fires."""
    drawn = drive(network, density=density, seed=seed, samples=batch, steps=steps).samples
    return np.ascontiguousarray(drawn.counts.transpose(1, 0, 2), np.float32)


def compare_spikes(against: str, ours: Sequence[Any], theirs: Sequence[Any]) -> SpikeCheck:
    """Compares spikes (T, batch, N) of each layer. Raises UnsupportedError if their shapes differ."""
    shapes = [[list(np.shape(s)) for s in side] for side in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise UnsupportedError(
            f"{against} returns spikes of shapes {shapes[1]}, the network of {shapes[0]}; the model "
            "handles its steps differently from what the import's options say"
        )
    mismatches = [np.asarray(a) != np.asarray(b) for a, b in zip(ours, theirs, strict=True)]
    steps, batch = np.shape(ours[0])[:2]
    return SpikeCheck(
        against,
        batch,
        steps,
        sum(m.size for m in mismatches),
        sum(int(m.sum()) for m in mismatches),
        sum(int(np.asarray(b).astype(bool).sum()) for b in theirs),
        first_divergence(mismatches),
        Firing.of(theirs),
    )


def _margin(check: SpikeCheck, network: Network, membranes: Sequence[F32]) -> float | None:
    if check.first is None:
        return None
    membrane, threshold = membrane_and_threshold(network, membranes, check.first)
    return abs(membrane - threshold) / (max(abs(membrane), abs(threshold)) or 1.0)
