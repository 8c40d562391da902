"""The plan of a checkpoint's import: a row for each layer that its state dict has entries of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError
from delrec_compile.interop.delrec.blocks import DCLS, DECAYS, KEY, KNOWN, NORMS
from delrec_compile.interop.delrec.checkpoint import from_checkpoint
from delrec_compile.interop.delrec.content import read_content
from delrec_compile.network.plan import Plan, PlannedPart

FORM = "a checkpoint"
NORM_ENTRIES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def plan_checkpoint(path: Path | str, **options: Any) -> Plan:
    """What each layer of a checkpoint becomes, or why it is refused; all refusals, not the first.

    options: those of `from_checkpoint`. Raises CheckpointError for a file that cannot be read, and
    UsageError for wrong options.
    """
    tensors = read_content(path).tensors
    remarks: tuple[str, ...] = ()
    failed = ""
    try:
        remarks = from_checkpoint(path, **options).remarks
    except (CheckpointError, NetworkError, UnsupportedError) as error:
        failed = str(error)
    layers: dict[int, dict[str, F64]] = {}
    parts = []
    for key, value in tensors.items():
        if match := KEY.fullmatch(key):
            layers.setdefault(int(match[1]), {})[match[2]] = value
        else:
            parts.append(_refused(key, "entry", "unknown; keys of 'layers.<i>.' are required"))
    parts += [_part(f"layers.{at}", layers[at]) for at in sorted(layers)]
    if failed and not any(part.refused for part in parts):
        parts.append(_refused(str(path), "file", failed.removeprefix(f"{path}: ")))
    return Plan(str(path), FORM, tuple(parts), remarks)


def _part(name: str, own: dict[str, F64]) -> PlannedPart:
    weight = own.get("weight")
    if set(DCLS) & own.keys() and weight is not None and weight.ndim == 3:
        outputs, inputs, each = weight.shape
        many = "a delay" if each == 1 else f"{each} delays"
        told = f"weights from {inputs} to {outputs} values, {many} for each synapse"
        return PlannedPart(name, "Dcls1d", told)
    unknown = _unknown(own)
    if unknown:
        return _refused(name, "layer", f"{unknown[0]}: unknown; allowed: {', '.join(KNOWN)}")
    if weight is not None and weight.ndim == 2:
        outputs, inputs = weight.shape
        return PlannedPart(name, "Linear", f"weights from {inputs} to {outputs} values")
    if any(f"{prefix}running_mean" in own for prefix in NORMS):
        return PlannedPart(name, "BatchNorm1d", "folded into weights")
    if set(DECAYS) & own.keys() and not _recurs(own):
        return PlannedPart(name, "ParametricLIFNode", "neurons, beta from its w")
    if _recurs(own):
        return PlannedPart(name, "recurrent neurons", _recurrence(own))
    return _refused(name, "layer", f"has {', '.join(sorted(own))} and no weights")


def _unknown(own: dict[str, F64]) -> list[str]:
    norms = {prefix + entry for prefix in NORMS for entry in NORM_ENTRIES}
    return sorted(own.keys() - norms - set(KNOWN))


def _recurs(own: dict[str, F64]) -> bool:
    return "recurrent_kernel" in own or "recurrent_weights" in own


def _recurrence(own: dict[str, F64]) -> str:
    delays = own.get("recurrent_delays")
    longest = "" if delays is None or not delays.size else f", delays up to {delays.max():.0f}"
    if "recurrent_kernel" in own:
        return f"a kernel of {own['recurrent_kernel'].size} taps{longest}"
    each = " for each synapse" if delays is not None and delays.ndim == 2 else ""
    return f"a matrix of {len(own['recurrent_weights'])} neurons{longest}{each}"


def _refused(name: str, kind: str, why: str) -> PlannedPart:
    return PlannedPart(name, kind, refused=why)
