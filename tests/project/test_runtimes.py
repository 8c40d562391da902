"""`python -m benchmarks.runtimes`: an exported step in other runtimes, its verdicts and its table.

Runtimes of the extra `runtimes` really run here; those of gigabytes only in the benchmark.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cases import network

from benchmarks.runtimes import __main__ as command
from benchmarks.runtimes import environments, networks, table
from benchmarks.runtimes.environments import HERE, RUNTIMES, Runtime
from benchmarks.runtimes.step_file import StepFile, Values, compare

BY_NAME = {runtime.name: replace(runtime, environment=HERE) for runtime in RUNTIMES}
EXACT = (
    "onnxruntime",
    "onnxruntime_ort_format",
    "reference",
    "onnxslim",
    "tvm",
    "tract",
    "onnx2torch",
    "emx_onnx_cgen",
    "mnn",
)
NEAR = ("openvino",)  # rounds a product and a sum once


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A graph of several neuron models with two readouts, and a chain of several steps per call."""
    folder = tmp_path_factory.mktemp("steps")
    graph = networks.write(folder, "graph", network("graph_shared"))
    return [graph, networks.write(folder, "chain", network("conv3"), unroll=2)]


@pytest.mark.parametrize("name", [*EXACT, *NEAR])
def test_a_step_runs_in_another_runtime(name: str, files: list[Path], tmp_path: Path) -> None:
    runtime = BY_NAME[name]
    assert environments.version(runtime, tmp_path) is not None, "pip install -e '.[runtimes]'"
    rows = environments.try_files(runtime, tmp_path, files)
    verdicts = {row["file"]: row["verdict"] for row in rows}
    right = ("same bits",) if name in EXACT else table.VERDICTS
    assert list(verdicts) == ["graph", "chain"]
    assert all(verdict in right for verdict in verdicts.values()), rows


def test_a_difference_is_seen(files: list[Path]) -> None:
    """One spike more, a last bit more, a NaN, and nothing."""
    f = StepFile.read(files[0])
    want = np.load(f.path.with_suffix(".npz"))
    history = next(name for name in f.outs if name.endswith("_hist"))

    def verdict(name: str, change: float) -> str:
        calls = iter(range(len(want["x"])))

        def step(_: Values) -> Values:
            k = next(calls)
            out = {n: np.array(want[n][k]) for n in f.outs}
            if k == 30:
                out[name].flat[0] += np.float32(change)
            return out

        return str(compare(f, step)["verdict"])

    assert verdict(history, 1.0) == "differs"
    assert verdict("y", 2e-6) == "same spikes"
    assert verdict("y", np.nan) == "differs"
    assert verdict("y", 0.0) == "same bits"


def test_files_after_one_that_kills_its_process_are_tried(tmp_path: Path) -> None:
    text = """
import json, os, signal, sys
for path in sys.argv[1:]:
    if "bad" in path:
        print("last words", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    print(json.dumps({"file": path[:-5], "verdict": "same bits"}), flush=True)
"""
    script = tmp_path / "engine.py"
    script.write_text(text)
    paths = [Path(f"{name}.onnx") for name in ("a", "bad", "b", "bad2")]
    rows = environments.rows_of([sys.executable, str(script)], paths, {}, seconds=20)
    assert [row["file"] for row in rows] == ["a", "bad", "b", "bad2"]
    assert [row["verdict"] for row in rows] == ["same bits", "dies", "same bits", "dies"]
    assert rows[1]["why"] == "SIGSEGV: last words"


def test_a_runtime_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    missing = Runtime("mnn", "mnn", "MNN")
    (row,) = command.rows_of(missing, tmp_path, [Path("a.onnx")])
    assert row["verdict"] == "not installed"
    assert row["version"] is None
    node = replace(BY_NAME["onnxruntime_node"], environment="node")
    assert environments.version(node, tmp_path) is None
    package = tmp_path / "node" / "node_modules" / "onnxruntime-node" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text('{"version": "1.2.3"}')
    assert environments.version(node, tmp_path) == "1.2.3"


def test_the_table_counts_and_says_why() -> None:
    def row(runtime: str, file: str, verdict: str, **more: object) -> dict[str, object]:
        return {"runtime": runtime, "version": "1", "file": file, "verdict": verdict, **more}

    rows = [
        row("a", "x", "same bits"),
        row("a", "y", "refuses", why="no | Gather"),
        row("b", "x", "differs", worst=1.5),
        row("b", "y", "differs", worst=1.5),
    ]
    text = table.markdown(rows)
    assert "| a | 1 | 1 | 0 | 1 | y: no / Gather |" in text
    assert "| b | 1 | 0 | 0 | 2 | off by 1.5 |" in text
    page = f"before\n{table.START}\nold\n{table.END}\nafter\n"
    assert table.with_table(page, "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="the page lacks"):
        table.with_table("nothing", "new")


def test_the_command_writes_json_and_refuses_unknown_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "runtimes.json"
    options = ["--only", "mnn", "--networks", "conv_delay", "--folder", str(tmp_path)]
    assert command.main([*options, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["schema"] == command.SCHEMA
    assert [row["verdict"] for row in result["rows"]] == ["not installed"]
    assert "| mnn | - | 0 | 0 | 1 | not installed |" in capsys.readouterr().out
    names = ["conv_delay"]
    assert command.known_rows(out, names, ["iree"]) == result["rows"]
    assert command.known_rows(out, names, ["mnn"]) == command.known_rows(out, [], []) == []
    with pytest.raises(SystemExit):
        command.main(["--only", "caffe"])
    assert "unknown runtime 'caffe'; allowed: onnxruntime," in capsys.readouterr().err


def test_the_documents_hold_the_measured_table() -> None:
    rows = json.loads(command.RESULTS.read_text())["rows"]
    page = command.PAGE.read_text()
    assert page == table.with_table(page, table.markdown(rows))
    exact = {r["runtime"] for r in rows} - {
        r["runtime"] for r in rows if r["verdict"] != "same bits"
    }
    assert len(exact) >= 8
