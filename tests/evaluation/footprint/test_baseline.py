"""Baselines of the bare C program, in this process."""

import cases
import numpy as np
import pytest

from delrec_compile.evaluation.footprint import baseline
from delrec_compile.evaluation.footprint.programs import NAMES, OURS
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.export import export
from delrec_compile.runners.reference import ReferenceRunner


def test_each_baseline_is_a_function_of_its_name():
    for name in set(NAMES) - set(OURS):
        assert callable(getattr(baseline, name))


@pytest.mark.parametrize("name", ["onnxruntime", "torch_eager"])
def test_a_baseline_computes_the_reference(name, tmp_path):
    network = cases.network("conv3")
    source = tmp_path / "net.onnx"
    if name == "torch_eager":
        source = checkpoint.save(network, tmp_path / "net.safetensors")
    else:
        export(network, source)
    step, state = getattr(baseline, name)(source)
    x = cases.counts(cases.CASES["conv3"], steps=20)
    want = ReferenceRunner(network).trace(x).y
    assert np.abs(want).max() > 0
    for row, y in zip(x, want, strict=True):
        out, state = step(row, state)
        np.testing.assert_array_equal(out, y)
