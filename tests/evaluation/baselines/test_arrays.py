"""The network in NumPy: step by step, and layer by layer."""

from __future__ import annotations

import cases
import pytest
from fixtures.baselines import assert_reference

from delrec_compile.evaluation.baselines.arrays import numpy
from delrec_compile.evaluation.baselines.baseline import Workload

WORK = [Workload("step", 1, 40), Workload("sequence", 1, 40), Workload("batch", 3, 40)]


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.form)
@pytest.mark.parametrize("case", ["mixed", "odd_lif", "three_layers"])
def test_every_form_computes_the_reference(case: str, work: Workload) -> None:
    for baseline in numpy(cases.network(case), work):
        assert baseline.name
        assert_reference(baseline, case, work)
