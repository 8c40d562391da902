"""`python -m benchmarks`: networks of a chosen rate, its studies, its results, its picture."""

import json
import statistics
import subprocess
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

import delrec_compile
from benchmarks import __main__ as command
from benchmarks import cores, guard, picture, studies, tables
from benchmarks.networks import Size, poisson_samples, random_network
from delrec_compile.errors import InputError
from delrec_compile.evaluation.baselines.baseline import FORMS
from delrec_compile.evaluation.baselines.ours import OursStep
from delrec_compile.evaluation.latency.bench import NAMES
from delrec_compile.evaluation.latency.interleave import inputs, interleave
from delrec_compile.network.grid import exact
from delrec_compile.network.model import ConvDelay, DenseDelay
from delrec_compile.runners.torch_runner import TorchRunner

SMALL = Size(neurons=40, delays=(2, 9), rate=0.1, inputs=30, outputs=4)


@pytest.mark.parametrize("rate", [0.02, 0.2])
def test_a_random_network_fires_at_the_requested_rate(rate):
    network = random_network(Size(neurons=96, delays=(3, 12), rate=rate, inputs=50))
    counts = poisson_samples(64, 80, 50, seed=1).counts
    x = np.ascontiguousarray(counts.transpose(1, 0, 2), np.float32)
    for spikes in TorchRunner(network).trace(x).spikes:
        assert spikes[20:].mean() == pytest.approx(rate, rel=0.25)
    assert exact(network)
    assert network.max_delay == 12


def test_a_random_network_can_have_a_dense_recurrence():
    network = random_network(Size(neurons=24, delays=(1, 4), recurrence="dense", inputs=10))
    (recurrence,) = [r for _, r in network.recurrences()]
    assert isinstance(recurrence, DenseDelay)


def test_inputs_have_the_density_of_the_method():
    assert (poisson_samples(64, 50, 140).counts > 0).mean() == pytest.approx(0.2, abs=0.01)


def test_the_cost_of_a_step_does_not_grow_with_the_delay(compiled):
    """Delays up to 250 steps beside delays up to 8, interleaved, at about the same rate of spikes."""
    short = random_network(Size(delays=(2, 8)))
    first, second = short.layers
    recurrence = ConvDelay(second.recurrence.kernel, np.linspace(83, 250, 256).astype(np.int32))
    long = replace(short, layers=(first, replace(second, recurrence=recurrence)), name="long")
    engines = {"short": OursStep(compiled(short)), "long": OursStep(compiled(long))}
    times = interleave(engines, inputs(poisson_samples(15, 400, 140), 1, 15))
    ratio = [a / b for a, b in zip(times["long"], times["short"], strict=True)]
    assert statistics.median(ratio) < 1.4


def test_a_batch_is_timed_on_one_core_and_on_all(monkeypatch, capsys):
    """Who wins on two cores depends on what else they run, here the rest of the suite."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    medians = cores.main(streams=6, rounds=2)
    assert list(medians) == [1, 2]
    for row in medians.values():
        assert set(row) == {"ours", "ours, alone", *cores.BASELINES}
        assert min(row.values()) > 0
    assert medians[1]["ours"] < min(medians[1][name] for name in cores.BASELINES)
    assert "2 core(s), 6 streams, wall clock per step: ours" in capsys.readouterr().out


def test_studies_are_what_the_documents_say():
    every = {s.name: s for s in studies.studies()}
    assert [p.form for p in every["conv_delay_256"].points] == list(FORMS)
    assert [p.rows for p in every["conv_delay_256"].points] == [None] * 3
    assert [p.value for p in every["delay"].points] == [8, 30, 62, 126, 250]
    assert [p.value for p in every["neurons"].points] == [64, 128, 256, 512, 1024]
    assert {s.name for s in studies.studies(quick=True)} < set(every)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A small study in two forms, really measured."""
    rows = ("ours", "onnxruntime", "torch_eager")
    forms = (
        studies.Point("step", SMALL, rows=rows),
        studies.Point("batch", SMALL, "batch", 4, rows),
    )
    small = studies.Study("rate_5", "a small network", "form", forms)
    grow = studies.Study(
        "batch",
        "batch",
        "streams",
        tuple(studies.Point(b, SMALL, "batch", b, rows) for b in (2, 8)),
    )
    out = tmp_path_factory.mktemp("results")
    command.run([small, grow], out, rounds=2)
    return out


def test_results_are_json_with_their_machine_and_workload(results):
    study = json.loads((results / "rate_5.json").read_text())
    assert study["schema"] == "delrec.benchmarks/1"
    assert set(study["machine"]) == {"cpu", "system", "python"}
    for point, form, batch in zip(study["points"], ("step", "batch"), (1, 4), strict=True):
        assert (point["workload"]["form"], point["workload"]["batch"]) == (form, batch)
        assert point["network"]["neurons"] == 40
        ratio = {r["name"]: r["ratio_to_ours"] for r in point["rows"]}
        assert set(ratio) == {"ours", "onnxruntime", "torch_eager"}
        assert ratio["onnxruntime"] > 3
        assert ratio["torch_eager"] > 3


def test_the_picture_and_the_tables_show_every_figure(results):
    found = command.results(results)
    assert list(found) == ["rate_5", "batch"]
    root = ElementTree.fromstring(picture.draw(found))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}g")) == 3  # two of bars, one of lines
    assert len(root.findall(f".//{space}polyline")) == 3
    text = tables.markdown(found)
    ours = next(r for r in found["batch"]["points"][1]["rows"] if r["name"] == "ours")
    assert f"{ours['us_per_step']:.2f} (1.0x)" in text
    assert "| 8 streams |" in text
    assert "100 steps of 4 streams" in text


def test_an_engine_that_is_missing_is_left_out_of_the_picture_and_named_in_the_table(results):
    found = command.results(results)
    rows = found["rate_5"]["points"][0]["rows"]
    why = "snntorch is not installed; pip install 'delrec-compile[bench]'"
    empty = dict.fromkeys(("us_per_step", "spread", "ratio_to_ours"))
    rows.append({"name": "snntorch", **empty, "skipped": why})
    assert "| snnTorch | not installed |" in tables.markdown(found)
    assert "snntorch" not in picture.draw(found)


def test_the_command_draws_what_is_there(results, capsys):
    assert command.main(["--draw", "--out", str(results)]) == 0
    assert (results / "picture.svg").read_text().startswith("<svg")
    assert "| compiled, loop over time inside |" in capsys.readouterr().out


def test_the_command_refuses_what_it_cannot_do(tmp_path, capsys):
    assert command.main(["--only", "speed", "--out", str(tmp_path)]) == 2
    assert "unknown study 'speed'; allowed: conv_delay_256" in capsys.readouterr().err
    assert command.main(["--draw", "--out", str(tmp_path)]) == 3
    assert "contains no results" in capsys.readouterr().err


def test_every_engine_has_its_own_colour():
    assert len({picture.colour(n) for n in NAMES}) == len(NAMES)


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    return guard.timer(tmp_path_factory.mktemp("clock"))


def _built(session):
    manifest = session.artifact.manifest
    return guard.Built(session.artifact.library, manifest.name, manifest.outputs)


def samples():
    return guard.workloads(guard.parsed([]), None)[0].x


def test_a_library_is_as_fast_as_itself(compiled, clock):
    own = _built(compiled(delrec_compile.load("conv_delay_256")))
    rows = guard.measure(own, own, guard.FORMS, 12, clock, samples())
    assert list(rows) == ["step", "sequence", "batch"]
    for row in rows.values():
        assert row["same"]
        assert row["low"] <= row["median"] <= row["high"]
        assert 0.8 < row["median"] < 1.25
    assert "outputs differ" not in guard.table({"float32": rows})


def test_outputs_that_differ_are_told(compiled, clock):
    network = delrec_compile.load("conv_delay_256")
    a, b = (_built(compiled(network, numeric=n)) for n in ("float32", "int8"))
    rows = guard.measure(a, b, ["sequence"], 1, clock, samples())
    assert not rows["sequence"]["same"]
    assert "outputs differ" in guard.table({"float32": rows})


def test_the_interval_of_a_median():
    """Of 6 values the first and last leave out 2 * 2^-6; of 20, the 6th and 15th 4.1 %."""
    assert guard.interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert guard.interval([float(k) for k in range(1, 7)]) == (1.0, 6.0)
    assert guard.interval([float(k) for k in range(20, 0, -1)]) == (6.0, 15.0)


def test_the_tree_of_a_commit(tmp_path):
    repository = tmp_path / "repository"
    author = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "init", "-q", repository], check=True)
    commit = ["commit", "-q", "--allow-empty", "-m", "one"]
    subprocess.run(["git", "-C", repository, *author, *commit], check=True)
    with guard.checkout("HEAD", tmp_path / "tree", repository) as tree:
        assert (tree / ".git").exists()
    assert not tree.exists()
    with (
        pytest.raises(InputError, match=r"git worktree add: .*no-such-commit"),
        guard.checkout("no-such-commit", tmp_path / "tree", repository),
    ):
        pass


def test_workloads_are_the_bundled_network_or_random_ones_of_a_rate(tmp_path):
    (bundled,) = guard.workloads(guard.parsed([]), tmp_path)
    assert (bundled.name, bundled.network, bundled.x.shape[2]) == ("", "conv_delay_256", 140)
    drawn = guard.workloads(guard.parsed(["--rate", "0.6", "--neurons", "32"]), tmp_path)
    assert [work.name for work in drawn] == ["60% "]
    network = delrec_compile.load(drawn[0].network)
    x = np.ascontiguousarray(drawn[0].x[:8].transpose(1, 0, 2))
    assert np.mean(TorchRunner(network).trace(x).spikes) == pytest.approx(0.6, abs=0.15)
