"""Every engine of the registry, in every form: it computes the reference, or says why not."""

from __future__ import annotations

import importlib

import cases
import numpy as np
import pytest
from fixtures.baselines import FORMS, OWN_FORMS, QUICK, STEP, forms_of, samples

from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines import registry as baselines
from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.network import checkpoint
from delrec_compile.runners.torch_runner import TorchRunner


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("model", ["conv_delay_256", "dense_delay_256"])
def test_every_form_of_every_engine_computes_the_reference(model, name, form):
    network, work = checkpoint.load(model), FORMS[form]
    x = samples(work.batch)
    for baseline in forms_of(name, network, work):
        want = TorchRunner(baseline.network or network).trace(x).y
        assert np.abs(want).max() > 0
        for _ in range(2):  # the second run starts from a fresh state
            assert np.abs(baseline.outputs(x) - want).max() < 1e-4, baseline.form


ENGINES = ("torch_eager", "numpy", "onnxruntime", "onnxruntime_sequence")


# each network in each engine, in one of the three forms by turns
TURNS = [
    (case, form, name)
    for i, case in enumerate(cases.EXACT)
    for k, name in enumerate(ENGINES)
    for j, form in enumerate(FORMS)
    if (i + k + j) % 3 == 0
]


@pytest.mark.parametrize(("case", "form", "name"), TURNS)
def test_forms_hold_for_other_networks(name, form, case):
    """Kernels of other widths, no recurrence, several of them, delays with slack, other resets."""
    network = cases.network(case)
    work = Workload(form, FORMS[form].batch, 40)
    r = np.random.default_rng(3)
    x = r.integers(0, cases.CASES[case].counts + 1, (40, work.batch, network.inputs)).astype(
        np.float32
    )
    want = TorchRunner(network).trace(x).y
    try:
        forms = baselines.baselines(name, network, work)
    except UnsupportedError as error:
        named = ("no form of this engine", "is not supported here")
        assert any(words in str(error) for words in named)  # noqa: PT017
        return
    for baseline in forms:
        assert np.abs(baseline.outputs(x) - want).max() < 1e-4, baseline.form


@pytest.mark.parametrize(
    ("case", "what"),
    [
        ("heads", "'conv_delay' with several heads"),
        ("soft", "a soft reset"),
        ("frontend", "a convolution of inputs"),
    ],
)
@pytest.mark.parametrize("name", OWN_FORMS)
def test_what_an_engine_has_no_form_for_is_named(name, case, what):
    with pytest.raises(UnsupportedError, match=f"no form of this engine is written for .*{what}"):
        baselines.baselines(name, cases.network(case), STEP)


def test_every_engine_has_its_function_and_a_title_of_its_own() -> None:
    for name, engine in baselines.ENGINES.items():
        module = importlib.import_module(f"delrec_compile.evaluation.baselines.{engine.module}")
        assert callable(getattr(module, name))
        assert baselines.title(name) == engine.title
    titles = [engine.title for engine in baselines.ENGINES.values()]
    assert len(set(titles)) == len(titles)
    assert baselines.title("a_row_of_later") == "a_row_of_later"


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="unknown engine 'tflite'; allowed: ours, "):
        baselines.baselines("tflite", cases.network("conv3"), STEP)
