"""The network in the neurons of SpikingJelly and snnTorch."""

from __future__ import annotations

import sys

import cases
import pytest
from fixtures.baselines import assert_reference

from delrec_compile.errors import ToolchainError, UnsupportedError
from delrec_compile.evaluation.baselines import libraries
from delrec_compile.evaluation.baselines.baseline import Workload

WORK = [Workload("step", 1, 40), Workload("sequence", 1, 40), Workload("batch", 3, 40)]


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.form)
@pytest.mark.parametrize("name", ["spikingjelly", "snntorch"])
def test_every_form_computes_the_reference(name: str, work: Workload) -> None:
    pytest.importorskip(name)
    for baseline in getattr(libraries, name)(cases.network("mixed"), work):
        assert_reference(baseline, "mixed", work)


@pytest.mark.parametrize(
    ("name", "case", "message"),
    [("snntorch", "odd_lif", "resets to zero only"), ("spikingjelly", "beta_1", "between 0 and 1")],
)
def test_a_neuron_that_a_library_lacks_is_refused(name: str, case: str, message: str) -> None:
    pytest.importorskip(name)
    with pytest.raises(UnsupportedError, match=message):
        getattr(libraries, name)(cases.network(case), WORK[0])


@pytest.mark.parametrize("name", ["spikingjelly", "snntorch"])
def test_a_missing_library_is_named_with_its_install_command(name: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, f"{name}.activation_based.neuron", None)
    with pytest.raises(ToolchainError, match=rf"{name} is not installed; pip install .*\[bench\]"):
        getattr(libraries, name)(cases.network("mixed"), WORK[0])
