"""The reference of a plain step: ONNX Runtime with its state fed back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fixtures.plain_steps import LINE, written

from delrec_compile.plain_onnx.reference import inputs_of, outputs_of, steps_of
from delrec_compile.plain_onnx.step_graph import read


def test_state_is_fed_back(tmp_path: Path) -> None:
    """A line of two delays: what goes in comes out two steps later."""
    graph = read(written(LINE, tmp_path / "line.onnx"))
    x = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    y = outputs_of(graph, x)
    np.testing.assert_array_equal(y[2:], x[:2])
    assert not y[:2].any()
    states = [state for _, state in steps_of(graph, x)]
    np.testing.assert_array_equal(states[1]["past_a"][0], x[0])


def test_inputs_are_fixed_counts(tmp_path: Path) -> None:
    graph = read(written(LINE, tmp_path / "line.onnx"))
    x = inputs_of(graph, 50, 3)
    assert (x.shape, x.dtype) == ((50, 3, 2), np.float32)
    np.testing.assert_array_equal(x, inputs_of(graph, 50, 3))
    assert 0.5 < (x == 0).mean() < 0.9
