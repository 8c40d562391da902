"""The network in eager PyTorch: the reference step, and in place."""

from __future__ import annotations

import cases
import pytest
from fixtures.baselines import assert_reference

from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.evaluation.baselines.eager import WIDE, torch_eager

WORK = [Workload("step", 1, 40), Workload("sequence", 1, 40), Workload("batch", 3, 40)]


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.form)
@pytest.mark.parametrize("case", ["mixed", "odd_lif"])
def test_every_form_computes_the_reference(case: str, work: Workload) -> None:
    for baseline in torch_eager(cases.network(case), work):
        assert baseline.name
        assert_reference(baseline, case, work)


def test_a_network_without_a_form_in_place_runs_as_the_step() -> None:
    (only,) = torch_eager(cases.network("heads"), WORK[0])
    assert only.form == "the step, functional"
    assert len(torch_eager(cases.network("mixed"), WORK[0])) == 2


def test_a_wide_batch_goes_layer_by_layer() -> None:
    work = Workload("batch", WIDE, 20)
    _, in_place = torch_eager(cases.network("mixed"), work)
    assert in_place.form.endswith("layer by layer")
    assert_reference(in_place, "mixed", work)
