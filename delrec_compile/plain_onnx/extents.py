"""Extents of a step that its file leaves open: one stream, one step."""

from __future__ import annotations

import onnx

from delrec_compile.errors import UsageError


def check_batch(batch: int | None) -> None:
    """Raises UsageError for a number of streams that a plain step is not compiled for."""
    if batch not in (None, 1):
        raise UsageError(
            f"--batch {batch}: a plain ONNX step is compiled for one stream; give --batch 1, and "
            "hold a state struct for each stream"
        )


def fixed(proto: onnx.ModelProto, batch: int | None = None) -> onnx.ModelProto:
    """The graph with 1 in place of open extents.

    The first axis of an input is the batch; an extent of the same symbol is too, wherever it stands.
    batch: 1 sets every open extent of the inputs and outputs. Shapes in between are inferred again.
    """
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph = made.graph
    symbols = {d.dim_param for v in graph.input for d in _extents(v)[:1] if d.dim_param}
    for value in (*graph.input, *graph.output):
        for axis, extent in enumerate(_extents(value)):
            first = axis == 0 and not extent.dim_param
            if extent.dim_value == 0 and (first or batch or extent.dim_param in symbols):
                extent.dim_value = 1
    del graph.value_info[:]
    return made


def _extents(value: onnx.ValueInfoProto) -> list[onnx.TensorShapeProto.Dimension]:
    return list(value.type.tensor_type.shape.dim)
