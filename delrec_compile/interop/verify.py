"""The check after an import: whether the network fires, and fires as the model does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from delrec_compile.aliases import F32
from delrec_compile.errors import ParityError
from delrec_compile.interop.result import BATCH, Imported, Model, SpikeCheck
from delrec_compile.network.grid import AUTO


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a check found. imported: with the grid that the check chose; check: of its network.

    before_freezing: spikes that differ before freezing; None if all agree then or there is no model to
    run. on_int16: those that differ with weights of 16 bits, where the grid became finer; else None.
    """

    imported: Imported
    check: SpikeCheck
    before_freezing: int | None = None
    on_int16: int | None = None


@dataclass(frozen=True, eq=False)
class _Heard:
    """A model whose spikes on the inputs of a check are known."""

    model: Model
    heard: list[F32]

    @property
    def name(self) -> str:
        return self.model.name

    def spikes(self, x: F32) -> list[F32]:
        return self.heard


def verify(
    imported: Imported,
    source: str,
    steps: int,
    batch: int = BATCH,
    *,
    x: F32 | None = None,
    density: float | None = None,
    allow_silent: bool = False,
    chooses_grid: bool = True,
) -> Verdict:
    """The check of the frozen network, on the grid that it needs.

    x, density: as in `Imported.check`. chooses_grid: whether layers get the fine grid where fewer spikes
    then differ. Raises ParityError if spikes differ by more than rounding before freezing: the network
    is not the same model; and if no neuron fires, unless allow_silent: then nothing is proven.
    """
    given = x is not None
    if x is None:
        x = imported.drawn(steps, batch, density=density)
    once = imported
    if imported.model is not None:
        once = replace(imported, model=_Heard(imported.model, imported.model.spikes(x)))
    check, before = once.check(x=x), None
    if check.differing and imported.model is not None:
        unfrozen = once.check(x=x, frozen=False)
        _require_same_model(source, unfrozen)
        before = unfrozen.differing
    elif check.firing.silent and not allow_silent:
        what = "the samples" if given else "random inputs"
        raise ParityError(
            f"{source}: no neuron fires in {check.steps} steps of {what} ({check.density:.1%} of the "
            "inputs active in a step), so equal spikes prove nothing. Pass inputs that make it fire "
            "(--input, --density, a larger --check), or check its scales of weights and time. "
            "Nothing was written; --allow-silent writes it anyway"
        )
    finer = once.on_grid(AUTO, x) if check.differing and chooses_grid else once
    if finer.network is once.network:
        return Verdict(imported, check, before)
    chosen = replace(imported, network=finer.network)
    return Verdict(chosen, finer.check(x=x), before, check.differing)


def _require_same_model(source: str, check: SpikeCheck) -> None:
    """Raises ParityError if the first differing spike is more than rounding."""
    if not check.misread:
        return
    at = check.first
    assert at is not None
    assert check.margin is not None
    raise ParityError(
        f"{source}: the network does not fire as {check.against} does: first at step {at.step}, "
        f"spiking layer {at.layer}, neuron {at.neuron}, where its membrane is {check.margin:.1%} off "
        "the threshold, too far for rounding; the model computes something between its modules, or "
        "handles its steps differently. Nothing was written; --check 0 writes it anyway"
    )
