"""State by its usual names: which input of a step goes on as which output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import onnx

from delrec_compile.errors import ModelError
from delrec_compile.network.state import PAST, PRESENT

# what marks a name as that of the state before a step, and after it; the rest is the state's own
BEFORE = (
    r"(?:past|prev|previous|last|old|init|initial|in|input|inp)[_.](?P<name>.+)",
    r"past_key_values[_.](?P<name>.+)",
    r"(?P<name>.+?)[_.]?(?:past|prev|previous|last|old|init|initial|in|input|inp)",
    r"(?P<name>.+?)[_.]?0",
)
AFTER = (
    r"(?:present|next|new|updated|cur|current|final|out|output)[_.](?P<name>.+)",
    r"(?P<name>.+?)[_.]?(?:present|next|new|updated|cur|current|final|out|output)",
    r"(?P<name>.+?)[_.]?[n1t]",
)
# what a step computes, and no state, in names such as audio_in and audio_out
SIGNALS = frozenset(
    {
        *("x", "y", "audio", "frame", "frames", "signal", "data", "feature", "features", "feats"),
        *("spec", "spectrum", "mag", "mix", "noisy", "image", "sample", "samples", "wav", "pcm"),
        *("input", "output", "in", "out", "inputs", "outputs", "mask", "logits"),
    }
)


def found(proto: onnx.ModelProto, said: Mapping[str, str], where: str) -> dict[str, str]:
    """Inputs and outputs that usual names pair, of equal shape and type, beside those that are said.

    One input is left, that of the step. Raises ModelError where a name has several counterparts.
    """
    constants = {t.name for t in proto.graph.initializer}
    ins = [v for v in proto.graph.input if v.name not in constants and v.name not in said]
    outs = [v for v in proto.graph.output if v.name not in said.values()]
    pasts = {v.name.removeprefix(PAST) for v in ins if v.name.startswith(PAST)}
    named = pasts & {v.name.removeprefix(PRESENT) for v in outs if v.name.startswith(PRESENT)}
    ins = [v for v in ins if v.name not in {PAST + n for n in named}]
    outs = [v for v in outs if v.name not in {PRESENT + n for n in named}]
    pairs = [(i.name, o.name) for i in ins for o in outs if _are_pair(i, o)]
    for side in (0, 1):
        names = [pair[side] for pair in pairs]
        for name in names:
            if names.count(name) > 1:
                several = [pair for pair in pairs if pair[side] == name]
                raise ModelError(f"{where}: '{name}' may be {_choice(several)}; say which is meant")
    if pairs and len(pairs) == len(ins):
        if said or named:
            return {}
        raise ModelError(
            f"{where}: every input looks like state, so that none is left for the step itself; say "
            f"which is state: {_choice(pairs)}"
        )
    return dict(pairs)


def _choice(pairs: Iterable[tuple[str, str]]) -> str:
    return " or ".join(f"--state {a}={b}" for a, b in pairs)


def _are_pair(one: onnx.ValueInfoProto, other: onnx.ValueInfoProto) -> bool:
    return kind_of(one) == kind_of(other) and bool(
        _names(one.name, BEFORE) & _names(other.name, AFTER, bare=False)
    )


def _names(name: str, patterns: Iterable[str], bare: bool = True) -> set[str]:
    """What the state of such an input or output may be called. bare: the name itself is one."""
    low = name.lower()
    matches = (re.fullmatch(pattern, low) for pattern in patterns)
    names = {m["name"] for m in matches if m is not None}
    return ({low} if bare else set()) | names - SIGNALS if low not in SIGNALS else set()


def kind_of(value: onnx.ValueInfoProto) -> str:
    """Type and extents of a value, as text."""
    kind = value.type.tensor_type
    return f"{kind.elem_type} {[d.dim_value or d.dim_param for d in kind.shape.dim]}"
