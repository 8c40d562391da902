"""The check after an import: whether the network fires as the model does."""

from __future__ import annotations

from delrec_compile.errors import ParityError
from delrec_compile.interop.result import Imported, SpikeCheck

BATCH = 4


def verify(
    imported: Imported, source: str, steps: int, batch: int = BATCH
) -> tuple[SpikeCheck, int | None]:
    """The check of the frozen network, and the number of spikes that differ before freezing.

    The number is None if all spikes agree or there is no model to run. Raises ParityError if spikes
    differ by more than rounding before freezing: the network is not the same model.
    """
    check = imported.check(steps, batch)
    if not check.differing or imported.model is None:
        return check, None
    unfrozen = imported.check(steps, batch, frozen=False)
    _require_same_model(source, unfrozen)
    return check, unfrozen.differing


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
