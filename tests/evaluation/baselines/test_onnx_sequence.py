"""ONNX Runtime over time: chunks, Scan, and the unrolled step."""

from __future__ import annotations

import cases
import numpy as np
import pytest
from fixtures.baselines import assert_reference
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines import registry as baselines
from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.evaluation.baselines.onnx_sequence import _per_call, onnxruntime_sequence
from delrec_compile.runners.torch_runner import TorchRunner

WORK = [Workload("step", 1, 40), Workload("sequence", 1, 40), Workload("batch", 3, 40)]


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.form)
@pytest.mark.parametrize("case", ["mixed", "odd_lif", "delay_300"])
def test_every_form_computes_the_reference(case: str, work: Workload) -> None:
    for baseline in onnxruntime_sequence(cases.network(case), work):
        assert baseline.name
        assert_reference(baseline, case, work)


@pytest.mark.parametrize(("steps", "each"), [(40, 10), (21, 7)])
def test_a_graph_of_populations_runs_as_the_exported_step_unrolled(steps: int, each: int) -> None:
    work = Workload("batch", 2, steps)
    (made,) = baselines.baselines("onnxruntime_sequence", cases.network("graph_shared"), work)
    assert made.form == f"the exported step, unrolled {each}"
    assert_reference(made, "graph_shared", work)
    with refusal(UnsupportedError, "13 steps are no multiple of what one call", 4):
        _per_call(13)


def test_the_forms_follow_the_workload() -> None:
    network = cases.network("mixed")
    unrolled = [b.form for b in onnxruntime_sequence(network, Workload("sequence", 1, 40))]
    assert any("unrolled 10" in form for form in unrolled)
    assert not any(
        "unrolled" in b.form for b in onnxruntime_sequence(network, Workload("sequence", 1, 37))
    )
    assert len(onnxruntime_sequence(cases.network("delay_300"), Workload("batch", 3, 40))) == 2


@pytest.mark.parametrize("low", [1, 3])
def test_steps_that_are_known_ahead_share_a_call(low: int) -> None:
    """Nothing arrives before `1 + low` steps: so many are one call, of a last one some are not read."""
    network = cases.made(cases.Case("late", recurrence=("dense", "conv3"), delays=(low, 9)))
    steps = 41
    (chunks, *_) = onnxruntime_sequence(network, Workload("sequence", 1, steps))
    fronts, per_layer = 2, 1 + -(-steps // (1 + low))  # a fresh membrane, and the chunks
    assert len(chunks.calls) == fronts + 2 * per_layer + 1
    x = cases.counts(cases.CASES["mixed"], steps=steps)
    want = TorchRunner(network).trace(x).y
    assert np.ptp(want) > 0
    for _ in range(2):
        assert np.abs(chunks.outputs(x) - want).max() < 1e-4
