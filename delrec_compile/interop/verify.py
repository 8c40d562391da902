"""The check after an import: whether the network fires, and fires as the model does."""

from __future__ import annotations

from delrec_compile.aliases import F32
from delrec_compile.errors import ParityError
from delrec_compile.interop.result import Imported, SpikeCheck, random_counts

BATCH = 4


def verify(
    imported: Imported,
    source: str,
    steps: int,
    batch: int = BATCH,
    *,
    x: F32 | None = None,
    density: float | None = None,
    allow_silent: bool = False,
) -> tuple[SpikeCheck, int | None]:
    """The check of the frozen network, and the number of spikes that differ before freezing.

    x, density: as in `Imported.check`. The number is None if all spikes agree or there is no model to
    run. Raises ParityError if spikes differ by more than rounding before freezing: the network is not
    the same model; and if no neuron fires, unless allow_silent: then nothing is proven.
    """
    given = x is not None
    if x is None:
        x = random_counts(imported.network, steps, batch, 0, density)
    check = imported.check(x=x)
    if check.differing and imported.model is not None:
        unfrozen = imported.check(x=x, frozen=False)
        _require_same_model(source, unfrozen)
        return check, unfrozen.differing
    if check.firing.silent and not allow_silent:
        what = "the samples" if given else "random inputs"
        raise ParityError(
            f"{source}: no neuron fires in {check.steps} steps of {what} ({check.density:.1%} of the "
            "inputs active in a step), so equal spikes prove nothing. Pass inputs that make it fire "
            "(--input, --density, a larger --check), or check its scales of weights and time. "
            "Nothing was written; --allow-silent writes it anyway"
        )
    return check, None


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
