"""torch.compile and AOTInductor: they compute the reference, and need a C++ compiler."""

from __future__ import annotations

import cases
import numpy as np
import pytest
from fixtures.baselines import STEP, assert_reference, forms_of

from delrec_compile.errors import ToolchainError
from delrec_compile.evaluation.baselines import inductor
from delrec_compile.evaluation.baselines import registry as baselines
from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.runners.torch_runner import TorchRunner


@pytest.mark.parametrize("name", ["torch_compile", "aot_inductor"])
def test_what_torch_compiles_computes_the_reference(name, monkeypatch):
    monkeypatch.setattr(inductor, "BLOCK", 4)  # steps in one function: it compiles for as long
    network = cases.network("both_layers" if name == "torch_compile" else "one_layer")
    x = np.ones((12, 1, network.inputs), np.float32)
    want = TorchRunner(network).trace(x).y
    # the modules of a sequence are the same for both
    for form in ("step", "sequence") if name == "torch_compile" else ("step",):
        for baseline in forms_of(name, network, Workload(form, 1, 12)):
            assert np.abs(baseline.outputs(x) - want).max() < 1e-4, baseline.form
            assert np.abs(baseline.outputs(x) - want).max() < 1e-4, baseline.form


def test_without_a_cxx_compiler_the_row_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolchainError, match="apt-get install g"):
        baselines.baselines("aot_inductor", cases.network("both_layers"), STEP)


@pytest.mark.parametrize("form", ["step", "sequence", "batch"])
@pytest.mark.parametrize("case", ["mixed", "feed_forward", "three_layers"])
def test_the_forms_compute_the_reference_before_they_are_compiled(
    case: str, form: str, monkeypatch
) -> None:
    """With a compiler that compiles nothing: the modules themselves, in blocks and in one call.

    Layers without recurrence lie last, and before a layer that has one.
    """
    work = Workload(form, inductor.WIDE if form == "batch" else 1, 40)

    def uncompiled(module, example):
        return lambda *x: y if isinstance(y := module(*x), tuple) else (y,)

    monkeypatch.setattr(inductor.shutil, "which", lambda _: "/usr/bin/c++")
    baseline = inductor._baseline("torch_compile", cases.network(case), work, uncompiled)
    assert_reference(baseline, case, work)
