"""The compiled network as an engine: bit for bit the reference, in every form."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures.baselines import FORMS, samples

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.evaluation.baselines import registry as baselines
from delrec_compile.network import checkpoint
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner


@pytest.mark.parametrize("form", FORMS)
def test_ours_is_the_reference_bit_for_bit_in_every_form(form, artifacts):
    artifact, work = load_artifact(artifacts["conv_delay_256"]), FORMS[form]
    network = checkpoint.load("conv_delay_256")
    x = samples(work.batch)
    want = TorchRunner(network).trace(x).y
    for name in ("ours", "ours_python") if form == "step" else ("ours",):
        (baseline,) = baselines.make(name, artifact, network, work)
        assert np.array_equal(baseline.outputs(x), want)
        assert np.array_equal(baseline.outputs(x), want)


@pytest.mark.parametrize("form", ["step", "sequence"])
def test_samples_follow_each_other_in_one_native_loop_each_afresh(form, artifacts):
    artifact, network = (
        load_artifact(artifacts["conv_delay_256"]),
        checkpoint.load("conv_delay_256"),
    )
    x = [samples(1), samples(3)[:, 1:2], samples(3)[:, 2:]]
    (baseline,) = baselines.make("ours", artifact, network, FORMS[form])
    assert baseline.timed(x) > 0
    want = TorchRunner(network).trace(np.concatenate(x, axis=1)).y
    assert np.array_equal(baseline.read(), want)


def test_int8_is_compiled_as_the_artifact_was(artifacts) -> None:
    artifact = load_artifact(artifacts["conv_delay_256"])
    network, work = checkpoint.load("conv_delay_256"), FORMS["step"]
    (baseline,) = baselines.make("ours_int8", artifact, network, work)
    assert baseline.integer_network is not None
    x = samples(1)
    assert np.array_equal(baseline.outputs(x), ReferenceRunner(baseline.integer_network).trace(x).y)
