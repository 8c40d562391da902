"""Baselines of the bare C program, in this process."""

import subprocess

import cases
import numpy as np
import pytest

from delrec_compile.evaluation.footprint import baseline
from delrec_compile.evaluation.footprint.programs import NAMES, OURS, _baseline
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.summary import state_bytes
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


def test_a_baseline_is_a_program_of_rows_in_and_outputs_out(tmp_path):
    """First the size of its state; it ends by itself where its input does, within a row too."""
    network = cases.network("conv3")
    program = _baseline(network, "onnxruntime", tmp_path)
    x = cases.counts(cases.CASES["conv3"], steps=20)
    sent = np.ascontiguousarray(x[:, 0], np.float32).tobytes() + b"end"
    done = subprocess.run(program.command, input=sent, capture_output=True, check=True)
    assert done.stderr == b""
    size, y = done.stdout[:4], np.frombuffer(done.stdout[4:], np.float32)
    assert int.from_bytes(size, "little") == state_bytes(network)["onnx"]
    want = ReferenceRunner(network).trace(x).y[:, 0]
    np.testing.assert_array_equal(y.reshape(want.shape), want)
