"""ONNX Runtime, one call per step: the exported step, and the fewest nodes."""

from __future__ import annotations

import cases
import pytest
from fixtures.baselines import assert_reference

from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.evaluation.baselines.onnx_step import onnxruntime

WORK = [Workload("step", 1, 40), Workload("sequence", 1, 40), Workload("batch", 3, 40)]


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.form)
@pytest.mark.parametrize("case", ["mixed", "odd_lif"])
def test_every_form_computes_the_reference(case: str, work: Workload) -> None:
    for baseline in onnxruntime(cases.network(case), work):
        assert baseline.name
        assert_reference(baseline, case, work)
