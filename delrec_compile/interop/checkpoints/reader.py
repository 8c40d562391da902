"""The layout of a checkpoint, told by its keys, and the reader of that layout."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from delrec_compile.errors import CheckpointError, NetworkError, UnsupportedError, UsageError
from delrec_compile.interop.checkpoints import se_adlif, snn_delays, sparch
from delrec_compile.interop.delrec import checkpoint as delrec
from delrec_compile.interop.delrec.content import Content, read_content
from delrec_compile.interop.delrec.plan import plan_checkpoint as plan_delrec
from delrec_compile.interop.result import Imported
from delrec_compile.network.plan import Plan, PlannedPart

FORM = "a checkpoint"
PREFIX = re.compile(r"(?:module\.)+")
Reader = Callable[..., Imported]
# a key that only this layout has -> its code, and its reader
LAYOUTS: tuple[tuple[re.Pattern[str], str, Reader], ...] = (
    (re.compile(r"model\.\d+\.P"), snn_delays.CODE, snn_delays.read),
    (re.compile(r".+\.tau_u_trainer\.weight"), se_adlif.CODE, se_adlif.read),
    (re.compile(r"(?:.+\.)?snn\.\d+\.W\.weight"), sparch.CODE, sparch.read),
)


def from_checkpoint(
    path: Path | str,
    *,
    recipe: str | None = None,
    layers: Any = None,
    q: float | None = None,
    tau: float | None = None,
    gain: str | float | None = None,
    fires: str | None = None,
    threshold: float | None = None,
    reset: str | None = None,
    sigma: float | None = None,
    kernel_length: int | None = None,
    dt_ms: float | None = None,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """A checkpoint of published code as a frozen network; it is read without running code.

    By its keys it is one of DelRec and conv_delays, of SNN-delays (DCLS), of SE-adLIF or of sparch.

    recipe: the script whose neurons the network has; by default the only one that saves such a
    file. q: of SE-adLIF, the factor of its a and b. The others are of DelRec and, but for sigma, of
    SNN-delays: tau (steps; beta = 1 - 1/tau), gain (`one`, `leak`: 1 - beta, or a number), fires,
    threshold, reset: other constants, of all layers; tau and gain also of a readout that leaks.
    layers: constants by layer, such as
    `{0: {"gain": 1, "fires": "at"}, "readout": {"tau": 2}}` or texts `0:gain=1,fires=at`, on top of
    those. sigma: spread of the recurrent delays, as heads on both sides of each delay; 0 by default.
    kernel_length: steps of the kernels of forward delays. dt_ms, kernel_length: those of the recipe by
    default.

    Raises CheckpointError for an invalid file, UnsupportedError for what networks do not have and for
    a file that could be of several recipes, UsageError for options that it does not have.
    """
    own: dict[str, Any] = {"recipe": recipe, "layers": layers, "q": q, "tau": tau, "gain": gain}
    own |= {"fires": fires, "reset": reset, "threshold": threshold, "sigma": sigma}
    own |= {"kernel_length": kernel_length}
    own |= {"dt_ms": dt_ms, "max_input": max_input, "input_bits": input_bits, "name": name}
    options = {key: value for key, value in own.items() if value is not None}
    content = read_content(path)
    layout = layout_of(content.tensors)
    if layout is not None:
        return _read(path, content, *layout, options)
    if q is not None:
        raise UsageError("q: a factor of SE-adLIF's neurons, which this file does not have")
    return delrec.from_checkpoint(path, **options)


def _read(
    path: Path | str, content: Content, code: str, reader: Reader, options: dict[str, Any]
) -> Imported:
    plain = Content({PREFIX.sub("", k, count=1): v for k, v in content.tensors.items()})
    known = [n for n, p in inspect.signature(reader).parameters.items() if p.kind is p.KEYWORD_ONLY]
    if unknown := sorted(set(options) - set(known)):
        raise UsageError(
            f"a checkpoint of {code} takes no {unknown[0]}; allowed: {', '.join(known)}"
        )
    try:
        return reader(str(path), plain, **options)
    except NetworkError as error:
        raise CheckpointError(f"{path}: {error}") from error


def layout_of(keys: Iterable[str]) -> tuple[str, Reader] | None:
    """The code that has such keys, and the reader of its checkpoints; None: DelRec's."""
    known = [PREFIX.sub("", key, count=1) for key in keys]
    for mark, code, reader in LAYOUTS:
        if any(mark.fullmatch(key) for key in known):
            return code, reader
    return None


def plan_checkpoint(path: Path | str, **options: Any) -> Plan:
    """What a checkpoint becomes, or why it is refused: a row for each layer of its state dict.

    options: those of `from_checkpoint`. Raises CheckpointError for a file that cannot be read, and
    UsageError for wrong options.
    """
    tensors = read_content(path).tensors
    layout = layout_of(tensors)
    if layout is None:
        return plan_delrec(path, **options)
    remarks: tuple[str, ...] = ()
    failed = ""
    try:
        remarks = from_checkpoint(path, **options).remarks
    except (CheckpointError, UnsupportedError) as error:
        failed = str(error).removeprefix(f"{path}: ")
    shapes: dict[str, list[str]] = {}
    for key, value in tensors.items():
        layer, _, last = key.rpartition(".")
        shapes.setdefault(layer, []).append(f"{last} {list(value.shape)}")
    parts = [PlannedPart(layer, "layer", ", ".join(own)) for layer, own in shapes.items()]
    if failed:
        parts.append(PlannedPart(str(path), "file", refused=failed))
    return Plan(str(path), FORM, tuple(parts), remarks)
