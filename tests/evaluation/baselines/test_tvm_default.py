"""The exported step in TVM's default pipeline."""

from __future__ import annotations

import cases
from fixtures.baselines import assert_reference

from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.evaluation.baselines.tvm_default import tvm_default


def test_it_computes_the_reference() -> None:
    work = Workload("batch", 2, 20)
    (baseline,) = tvm_default(cases.network("mixed"), work)
    assert_reference(baseline, "mixed", work)
