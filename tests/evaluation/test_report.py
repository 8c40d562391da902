"""The report of an artifact: lines, rows and Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cases
from fixtures.manifests import typed

from delrec_compile import targets
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.evaluation import hearing, report
from delrec_compile.evaluation.latency.result import Bench, BenchRow
from delrec_compile.evaluation.proof import Proof
from delrec_compile.network.summary import inspect

CHECK: dict[str, Any] = {
    "target": "portable_c",
    "reference": "torch",
    "sequences": 10,
    "spikes": {"compared": 2_000, "differing": 0},
    "membrane": {"max_abs_error": 0.0},
    "accuracy": 0.9,
    "against_float": None,
}
COST = {"accuracy": 0.91, "spikes_differing": 20, "classes_differing": 1}
INTEGER = {**CHECK, "reference": "integer", "against_float": COST}
WORKLOAD = {"form": "step", "batch": 1, "steps": 80, "input_density": 0.1, "hidden_rate": 0.05}
BENCH = Bench(
    (BenchRow("ours", 1.5, 0.1, 1.0), BenchRow("torch_compile@64", 30.0, 0.1, 20.0)),
    WORKLOAD,
    {"snntorch": "not installed"},
)
SUMMARY = {
    "name": "net",
    "parameters": 5_000,
    "recurrent_parameters": 259,
    "saving": 0.996,
    "state_bytes": {"artifact": 64, "onnx": 128},
    "dt_ms": 10.0,
    "exact": True,
    "outputs": 20,
    "layers": [
        {
            "inputs": 9,
            "neurons": 256,
            "recurrence": None,
            "max_delay": 0,
            "grid": 16,
            "weight_bits": 16,
        },
        {
            "inputs": 256,
            "neurons": 30,
            "recurrence": "conv_delay",
            "recurrent_parameters": 1_033,
            "max_delay": 31,
            "grid": 19,
            "weight_bits": 32,
        },
    ],
    "readout": {"grid": None, "weight_bits": None},
    "populations": [{"name": "l0"}, {"name": "out"}],
    "projections": [{"source": "x", "target": "l0", "delays": None}],
}


def test_the_report_holds_parity_and_times(tmp_path: Path) -> None:
    proof = Proof(CHECK, {**CHECK, "target": "onnxruntime"}, BENCH, {})
    report.write_report(Artifact(tmp_path, typed()), SUMMARY, proof)
    text = (tmp_path / "report.md").read_text()
    assert text.startswith("# net\n5,000 parameters, 259 of them recurrent (99.6% fewer than")
    assert "| layer 0 | 9 -> 256 | - | 0 | - | 2^-16 |" in text
    assert "| layer 1 | 256 -> 30 | conv_delay | 1,033 | 31 | 2^-19, 32 bits |" in text
    assert "| readout | 30 -> 20 | - | - | - | - |" in text
    assert "```\nx ---> l0\n```" in text
    assert "## Parity with PyTorch" in text
    assert "| portable_c | 2,000 | 0 | 0 | 90.0% |" in text
    assert "| PyTorch, torch.compile, 64 streams | 30.00 | 20.0x |" in text
    assert "| snnTorch | - | skipped: not installed |" in text


def test_a_graph_is_told_projection_by_projection() -> None:
    columns, rows = report.network_table(inspect(cases.network("graph_shared")))
    cells = [dict(zip(columns, row, strict=True)) for row in rows]
    assert [c["population"] for c in cells if c["population"]] == [
        *("first", "maps", "second", "third", "sum", "now")
    ]
    first = next(c for c in cells if c["population"] == "first")
    assert (first["neurons"], first["model"], first["from"], first["map"]) == (
        *("9", "cuba_lif", "x", "dense"),
    )
    assert [c["parameters"] for c in cells].count("shared") == 3
    back = next(c for c in cells if c["from"] == "third" and c["map"] == "dense_delay")
    assert back["delays"] == "1 + (1 to 6)"


def test_silent_populations_are_told_by_name() -> None:
    firing = {"fired": [3, 0], "populations": ["early", "late"]}
    (line,) = report.silence_lines([{**CHECK, "firing": firing}])
    assert line.startswith("warning: population late never fired")
    (line,) = report.silence_lines([{**CHECK, "firing": {"fired": [3, 0]}}])
    assert line.startswith("warning: layer 1 never fired")


def test_an_integer_form_tells_its_cost() -> None:
    lines = report.integer_lines("int8", [INTEGER, CHECK])
    assert lines[0] == (
        "int8: 90.0% of 10 samples correct, float32 91.0%; 1 classes and 20 of 2,000 spikes "
        "(1.000%) differ from float32"
    )
    assert len(lines) == 2
    assert report.parity_title([INTEGER, CHECK]) == "parity"


def test_an_emulated_run_has_no_bench_and_an_estimate() -> None:
    cost: dict[str, Any] = {
        "how": "emulated cortex_m4",
        "instructions_per_step": 42_000.0,
        "worst_instructions": 50_000,
        "stack_bytes": 512,
        "clock_mhz": 168,
        "estimated_us": 250.0,
        "estimated_share_of_dt": 0.025,
    }
    proof = Proof(CHECK, CHECK, None, {}, cost)
    assert proof.how == "emulated"
    line = report.emulated_line(cost)
    assert line.startswith("emulated cortex_m4: 42,000 instructions per step, 50,000 at most")
    assert line.endswith("~250 us, 2.5% of a step")
    bare = {**cost, "estimated_us": None}
    assert report.emulated_line(bare).endswith("512 bytes of stack")
    gpu = {"how": "device H100", "instructions_per_step": None}
    assert report.emulated_line(gpu) == "run on device H100"
    assert Proof(CHECK, CHECK, None, {}, gpu).how == "device"


def test_the_size_of_a_program_names_its_stack() -> None:
    memory = targets.load("cortex_m4").memory
    m = typed(flash_bytes=120_976, ram_bytes=4_728, memory=memory.to_json())
    line = "STM32F405: 120,976 of 1,048,576 bytes of flash, 4,728 of 131,072 bytes of RAM"
    assert report.size_line(m) == f"{line}, without stack"
    bounded = typed(
        flash_bytes=120_976, ram_bytes=4_728, memory=memory.to_json(), stack_bytes=3_664
    )
    assert report.size_line(bounded) == f"{line}; stack: at most 3,664 bytes"
    assert report.size_line(typed()) is None


def test_the_line_of_a_benchmark_names_its_form() -> None:
    assert report.bench_line(BENCH).startswith(
        "one step at a time, one stream, one thread, 80 steps"
    )
    batch = Bench((), {**WORKLOAD, "form": "batch", "batch": 256})
    assert "whole samples of 256 streams at once" in report.bench_line(batch)


def test_a_warning_names_the_layers_that_never_fired() -> None:
    check: dict[str, Any] = {"firing": {"fired": [3, 0, 0]}}
    (line,) = report.silence_lines([check])
    assert line.startswith("warning: layers 1, 2 never fired")
    for fired in ([3, 1, 2], [0, 0, 0]):  # where none fires, the check does not pass
        assert report.silence_lines([{"firing": {"fired": fired}}]) == []
    assert report.silence_lines([{}]) == []


def test_real_inputs_are_told() -> None:
    lines = report.network_lines(inspect(cases.network("real")))
    assert "inputs: real values up to 1 in size, rounded to multiples of 2^-7" in lines
    assert not any("inputs:" in x for x in report.network_lines(inspect(cases.network("mixed"))))


def test_the_report_tells_what_was_heard_and_what_was_left_out(tmp_path: Path) -> None:
    heard = {"words": 2, "spikes": 3_202, "energy_nj": {"front_end": 291.4, "network": 11.2}}
    short = {**CHECK, "remark": "4 of 10 samples"}
    proof = Proof(short, CHECK, None, {}, listening=heard)
    text = report.report(Artifact(tmp_path, typed()), SUMMARY, proof)
    assert "\n\nportable_c: 4 of 10 samples\n" in text
    assert f"\n\n{hearing.line(heard)}\n" in text
    without = report.report(Artifact(tmp_path, typed()), SUMMARY, Proof(CHECK, CHECK, None, {}))
    assert "4 of 10" not in without
    assert "from sound" not in without


def test_an_integer_form_without_labels_has_no_accuracy() -> None:
    cost = {**COST, "accuracy": None}
    line, _ = report.integer_lines("int8", [{**INTEGER, "accuracy": None, "against_float": cost}])
    assert line.startswith("int8: 1 classes and 20 of 2,000 spikes")
