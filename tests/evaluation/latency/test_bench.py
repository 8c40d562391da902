"""The benchmark: complete rows, the ratios it must show, and what it refuses."""

import importlib
import sys

import pytest
from fixtures.baselines import STEP, samples

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.baselines.registry import GPU_ROWS
from delrec_compile.evaluation.latency.bench import NAMES, names_for, streams
from delrec_compile.evaluation.latency.interleave import select_engines
from delrec_compile.network import checkpoint

bench_of = importlib.import_module(
    "delrec_compile.evaluation.latency.bench"
)  # the package has a function of that name


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


def test_few_rounds_run_over_as_many_distinct_samples(artifacts, monkeypatch):
    seen = []

    def interleave(engines, x, rounds):
        seen.append((len({each.tobytes() for each in x}), rounds))
        return {"ours": [1.0] * rounds}

    monkeypatch.setattr(bench_of, "interleave", interleave)
    path = str(artifacts["conv_delay_256"])
    assert (
        bench_of.measure(path, "samples", ["ours"], 2, "step", 1)["rows"][0]["us_per_step"] == 1.0
    )
    assert seen == [(bench_of.DISTINCT, 2)]


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


def test_a_library_that_is_not_installed_is_a_row_that_says_how_to_get_it(artifacts, monkeypatch):
    monkeypatch.setitem(sys.modules, "snntorch", None)
    network = checkpoint.load("conv_delay_256")
    artifact = load_artifact(artifacts["conv_delay_256"])
    x = [samples(1)]
    names = ["ours", "snntorch"]
    engines, _, skipped = select_engines(names, artifact, network, STEP, x)
    assert list(engines) == ["ours"]
    assert "[bench]'" in skipped["snntorch"]
    row = bench_of.Bench((), {}, skipped).as_dict()["rows"][0]
    assert row["name"] == "snntorch"
    assert row["us_per_step"] is None
    assert row["skipped"] == skipped["snntorch"]
    again = bench_of.bench_from_dict({"rows": [row], "workload": {}})
    assert again.rows == ()
    assert again.skipped == skipped


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


def test_rows_of_a_gpu_are_its_own_and_others_are_left_out():
    assert names_for("step", None, on_gpu=True) == GPU_ROWS
    assert names_for("step", ("torch_graph", "onnxruntime"), on_gpu=True) == ("ours", "torch_graph")
    with pytest.raises(UsageError, match=r"'torch_grap'; did you mean 'torch_graph'.*ours_host"):
        names_for("step", ("torch_grap",), on_gpu=True)
    with pytest.raises(UsageError, match="unknown engine 'torch_graph'"):
        names_for("step", ("torch_graph",))
