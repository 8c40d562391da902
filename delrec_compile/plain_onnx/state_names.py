"""State that other programs name in their own way: pairs of names, and those that a graph suggests."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import onnx

from delrec_compile.errors import ModelError, UsageError
from delrec_compile.network.state import PAST, PRESENT
from delrec_compile.plain_onnx.state_pairs import kind_of

ALIKE = 0.4  # share of two names that is equal in what is called alike


def pairs_of(texts: Iterable[str]) -> dict[str, str]:
    """Inputs and outputs of `input=output` texts. Raises UsageError."""
    pairs: dict[str, str] = {}
    for text in texts:
        past, _, present = text.partition("=")
        if not past or not present or past in pairs or present in pairs.values():
            raise UsageError(
                f"--state {text}: a pair INPUT=OUTPUT is required, each name in one pair"
            )
        pairs[past] = present
    return pairs


def renamed(proto: onnx.ModelProto, pairs: Mapping[str, str], where: str) -> onnx.ModelProto:
    """The graph with each pair as `past_<input>` and `present_<input>`. Raises ModelError."""
    inputs, outputs = ([v.name for v in side] for side in (proto.graph.input, proto.graph.output))
    for name, known, side in (
        *((past, inputs, "input") for past in pairs),
        *((present, outputs, "output") for present in pairs.values()),
    ):
        if name not in known:
            raise ModelError(f"{where}: no {side} '{name}'; there are: {', '.join(known)}")
    both = set(pairs) & set(pairs.values())
    if both:
        raise ModelError(f"{where}: '{min(both)}' is an input and an output of the graph")
    names = {past: PAST + past for past in pairs}
    names |= {present: PRESENT + past for past, present in pairs.items()}
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    taken = [value for value in names.values() if value in _values(made.graph)]
    if taken:
        raise ModelError(f"{where}: the name '{taken[0]}' is taken")
    _rename(made.graph, names)
    return made


def _values(graph: onnx.GraphProto) -> set[str]:
    own = {v.name for v in (*graph.input, *graph.output, *graph.initializer)}
    return own | {name for node in graph.node for name in (*node.input, *node.output)}


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Renames values, also where inner graphs take them."""
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for side in (node.input, node.output):
            side[:] = [names.get(name, name) for name in side]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    _rename(inner, names)


def suggested(proto: onnx.ModelProto) -> dict[str, str]:
    """Inputs and outputs that look like state: of equal shape and type, and named alike or left over.

    One input and one output are always left: those of the step itself, which mostly come first.
    """
    ins = {v.name: kind_of(v) for v in proto.graph.input if not v.name.startswith(PAST)}
    outs = {v.name: kind_of(v) for v in proto.graph.output if not v.name.startswith(PRESENT)}
    pairs: dict[str, str] = {}
    alike = [(_likeness(a, b), a, b) for a in ins for b in outs if ins[a] == outs[b]]
    first = {*list(ins)[:1], *list(outs)[:1]}
    for likeness, a, b in sorted(alike, key=lambda f: (bool(first & {f[1], f[2]}), -f[0])):
        single = [ins[a], outs[b]] == [k for k in (*ins.values(), *outs.values()) if k == ins[a]]
        free = a not in pairs and b not in pairs.values()
        room = len(pairs) < min(len(ins), len(outs)) - 1
        if free and room and (likeness >= ALIKE or single):
            pairs[a] = b
    return pairs


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
