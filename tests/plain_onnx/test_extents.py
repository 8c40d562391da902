"""Open extents of a step: those of the batch are 1, all of them where the batch is said."""

from __future__ import annotations

import onnx
import pytest
from fixtures.plain_steps import HEAD
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.plain_onnx.extents import check_batch, fixed

OPEN = (
    "m (float[N,3] x, float[2,N,T] h) => (float[N,3] y, float[2,N,K] g) { y = Abs (x) g = Abs (h) }"
)


def open_extents(graph: onnx.GraphProto) -> list[tuple[str, int]]:
    """Name and axis of each extent that is not known."""
    values = [(v.name, v.type.tensor_type.shape.dim) for v in (*graph.input, *graph.output)]
    return [(name, axis) for name, dims in values for axis, d in enumerate(dims) if not d.dim_value]


@pytest.mark.parametrize(
    ("batch", "left"), [(None, [("h", 2), ("g", 2)]), (1, [])], ids=["batch", "all"]
)
def test_extents_of_the_batch_are_1(batch: int | None, left: list[tuple[str, int]]) -> None:
    model = onnx.parser.parse_model(HEAD + OPEN)
    graph = fixed(model, batch).graph
    assert open_extents(graph) == left
    assert [d.dim_value for d in graph.input[1].type.tensor_type.shape.dim][:2] == [2, 1]
    assert len(open_extents(model.graph)) == 6, "the file's stay"


def test_a_step_is_of_one_stream() -> None:
    check_batch(None)
    check_batch(1)
    with refusal(UsageError, "--batch 4: a plain ONNX step is compiled for one stream", 2):
        check_batch(4)
