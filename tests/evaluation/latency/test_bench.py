"""The benchmark: complete rows, the ratios it must show, and what it refuses."""

import importlib
import sys

import cases
import numpy as np
import pytest

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import ParityError, ToolchainError, UnsupportedError, UsageError
from delrec_compile.evaluation.baselines import authors, inductor, window
from delrec_compile.evaluation.baselines import registry as baselines
from delrec_compile.evaluation.baselines.baseline import Workload, leak_over_time
from delrec_compile.evaluation.baselines.eager import TorchEager
from delrec_compile.evaluation.latency.bench import NAMES, names_for, streams
from delrec_compile.evaluation.latency.interleave import fastest, inputs, interleave, select_engines
from delrec_compile.network import checkpoint
from delrec_compile.runners.torch_runner import TorchRunner

bench_of = importlib.import_module(
    "delrec_compile.evaluation.latency.bench"
)  # the package has a function of that name
STEP = Workload("step", 1, 80)
FORMS = {"step": STEP, "sequence": Workload("sequence", 1, 80), "batch": Workload("batch", 6, 80)}
# without those that a C++ compiler takes minutes over: they have a test of their own
BASELINES = {n: e for n, e in baselines.ENGINES.items() if not e.compiled}
QUICK = [n for n, e in BASELINES.items() if not e.compiles]
OWN_FORMS = [n for n, e in BASELINES.items() if not e.generic]


def samples(batch: int) -> np.ndarray:
    return inputs(read_samples("samples"), batch, 1)[0]


@pytest.fixture(scope="module")
def measured(artifacts):
    rows = (
        "ours_python",
        "ours_int8",
        "torch_eager",
        "authors_dense",
        "onnxruntime",
        "tvm_default",
    )
    return bench_of.bench(artifacts["conv_delay_256"], rows=rows, rounds=9)


def test_every_engine_is_a_row_with_its_ratio(measured):
    assert {r.name for r in measured.rows} == {
        *("ours", "ours_python", "ours_int8", "torch_eager"),
        *("authors_dense", "onnxruntime", "tvm_default"),
    }
    ours = measured.rows[0]
    assert ours.ratio_to_ours == 1.0
    for row in measured.rows:
        assert row.us_per_step > 0
        assert row.form
        assert row.ratio_to_ours == pytest.approx(row.us_per_step / ours.us_per_step)
    assert measured.workload["batch"] == 1
    assert 0 < measured.workload["hidden_rate"] < 0.5
    assert 0 < measured.workload["input_density"] < 0.5


def test_the_fastest_form_of_an_engine_is_the_one_that_counts(measured):
    row = next(r for r in measured.rows if r.name == "onnxruntime")
    assert len(row.forms) == 2
    assert row.form == min(row.forms, key=row.forms.get)


def test_the_compiled_step_is_far_ahead_of_its_peers(measured):
    """Half of what `delrec-compile bench` shows, so that a busy machine does not fail it."""
    ratio = {r.name: r.ratio_to_ours for r in measured.rows}
    assert ratio["authors_dense"] > 125
    assert ratio["onnxruntime"] > 12
    assert ratio["torch_eager"] > 30
    assert ratio["authors_dense"] / ratio["ours_python"] > 50
    assert ratio["onnxruntime"] / ratio["ours_python"] > 6


@pytest.mark.parametrize("form", ["sequence", "batch"])
def test_whole_words_are_faster_than_the_best_peer_over_time(form, artifacts):
    batch = 8 if form == "batch" else None
    rows = ("torch_eager", "onnxruntime_sequence")
    found = bench_of.bench(artifacts["conv_delay_256"], rows=rows, rounds=3, form=form, batch=batch)
    ratio = {r.name: r.ratio_to_ours for r in found.rows}
    assert ratio["onnxruntime_sequence"] > 3
    assert ratio["torch_eager"] > 3
    assert found.workload["form"] == form
    assert found.workload["batch"] == (batch or 1)


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


def forms_of(name, network, work):
    try:
        return baselines.baselines(name, network, work)
    except ToolchainError as error:
        pytest.skip(str(error))


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


ENGINES = ("torch_eager", "numpy", "onnxruntime", "onnxruntime_sequence")
# each network in each engine, in two of the three forms by turns
TURNS = [
    (case, form, name)
    for i, case in enumerate(cases.EXACT)
    for k, name in enumerate(ENGINES)
    for j, form in enumerate(FORMS)
    if (i + k + j) % 3
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
        assert "no form of this engine" in str(error)  # noqa: PT017
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


@pytest.mark.parametrize("name", ["torch_compile", "aot_inductor"])
def test_what_torch_compiles_computes_the_reference(name, monkeypatch):
    monkeypatch.setattr(inductor, "BLOCK", 4)  # steps in one function: it compiles for as long
    network = cases.network("both_layers" if name == "torch_compile" else "one_layer")
    x = np.ones((12, 1, network.inputs), np.float32)
    want = TorchRunner(network).trace(x).y
    for form in ("step", "sequence"):
        for baseline in forms_of(name, network, Workload(form, 1, 12)):
            assert np.abs(baseline.outputs(x) - want).max() < 1e-4, baseline.form
            assert np.abs(baseline.outputs(x) - want).max() < 1e-4, baseline.form


def test_without_a_cxx_compiler_the_row_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolchainError, match="apt-get install g"):
        baselines.baselines("aot_inductor", cases.network("both_layers"), STEP)


def test_a_library_that_is_not_installed_is_a_row_that_says_how_to_get_it(artifacts, monkeypatch):
    monkeypatch.setitem(sys.modules, "snntorch", None)
    network = checkpoint.load("conv_delay_256")
    artifact = load_artifact(artifacts["conv_delay_256"])
    x = [samples(1)]
    names = ["ours", "snntorch"]
    engines, _, skipped = select_engines(names, artifact, network, STEP, x)
    assert list(engines) == ["ours"]
    assert "pip install 'delrec-compile[bench]'" in skipped["snntorch"]
    row = bench_of.Bench((), {}, skipped).as_dict()["rows"][0]
    assert row["name"] == "snntorch"
    assert row["us_per_step"] is None
    assert row["skipped"] == skipped["snntorch"]
    again = bench_of.bench_from_dict({"rows": [row], "workload": {}})
    assert again.rows == ()
    assert again.skipped == skipped


class Wrong(TorchEager):
    """Computes something else."""

    def read(self):
        return super().read() + 1.0


def test_an_engine_that_computes_something_else_is_not_timed(artifacts, monkeypatch):
    network = checkpoint.load("conv_delay_256")
    artifact = load_artifact(artifacts["conv_delay_256"])
    monkeypatch.setattr(baselines, "make", lambda *_: [Wrong(network)])
    engines, _, skipped = select_engines(["numpy"], artifact, network, STEP, [samples(1)])
    assert not engines
    assert "its outputs differ" in skipped["numpy"]
    wrong = Wrong(network)
    wrong.name = "ours"
    monkeypatch.setattr(baselines, "make", lambda *_: [wrong])
    with pytest.raises(ParityError, match="ours computes other outputs"):
        select_engines(["ours"], artifact, network, STEP, [samples(1)])


def test_times_are_taken_of_every_engine_on_every_word():
    network = cases.network("both_layers")
    x = [np.ones((5, 1, network.inputs), np.float32) for _ in range(2)]
    plain = TorchEager(network)
    times = interleave({"a": plain, "b": TorchEager(network)}, x)
    assert {n: len(t) for n, t in times.items()} == {"a": 2, "b": 2}
    assert min(t for ts in times.values() for t in ts) > 0
    assert fastest([plain], x) == (plain, {})


def test_a_window_reads_what_the_delay_line_says():
    network = cases.network("both_layers")
    layer = next(la for la in network.layers if la.recurrence is not None)
    history = window.History(layer, STEP)
    r = np.random.default_rng(0)
    spikes = (r.random((80, layer.size)) < 0.3).astype(np.float32)
    history.spikes[:] = spikes
    t = 60
    read = history.window(t).ravel()[history.at()].reshape(history.taps, -1)
    middle = read[history.taps // 2]
    late = spikes[t - 1 - layer.recurrence.delay, np.arange(layer.size)]
    assert np.array_equal(middle, late)


def test_the_leak_over_time_is_the_readout():
    leak = leak_over_time(0.5, 4)
    assert leak.tolist() == [[1, 0, 0, 0], [0.5, 1, 0, 0], [0.25, 0.5, 1, 0], [0.125, 0.25, 0.5, 1]]


def test_a_twin_has_the_other_recurrence_on_the_same_delays():
    network = checkpoint.load("conv_delay_256")
    dense = authors.twin(network, "dense_delay")
    assert [r.kind for _, r in dense.recurrences()] == ["dense_delay"]
    for (_, a), (_, b) in zip(network.recurrences(), dense.recurrences(), strict=True):
        assert np.array_equal(a.delay, b.delay)


def test_unknown_rows_and_forms_are_refused(artifacts):
    with pytest.raises(
        UsageError, match="unknown engine 'onnx_runtime'; did you mean 'onnxruntime'"
    ):
        bench_of.bench(artifacts["conv_delay_256"], rows=("onnx_runtime",))
    with pytest.raises(UsageError, match="at least 1"):
        bench_of.bench(artifacts["conv_delay_256"], rounds=0)
    with pytest.raises(UsageError, match="unknown form 'all'; allowed: step, sequence, batch"):
        names_for("all", None)
    with pytest.raises(UsageError, match="'ours_python' has no form 'batch'"):
        names_for("batch", ("ours_python",))
    with pytest.raises(UsageError, match="add --form batch"):
        streams("step", 8)
    with pytest.raises(UsageError, match="at least 2 streams"):
        streams("batch", 1)
    assert streams("batch", None) == 256
    assert names_for("step", None) == tuple(n for n in NAMES if n != "onnxruntime_sequence")
