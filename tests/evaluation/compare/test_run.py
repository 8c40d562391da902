"""`compare`: many targets in one table, artifacts that are found again, budgets, exit codes."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import cases
import numpy as np
import pytest
from fixtures.command import COMMAND, cli_here, refused_here
from fixtures.manifests import typed
from helpers import refusal, tree

import delrec_compile
from delrec_compile import targets
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.cli import tables
from delrec_compile.cli.terminal import show
from delrec_compile.data.events import Events, save_samples
from delrec_compile.errors import (
    CompilerCrash,
    DataError,
    DeviceError,
    ParityError,
    ToolchainError,
    UnsupportedError,
    UsageError,
)
from delrec_compile.evaluation.compare import cache as kept
from delrec_compile.evaluation.compare.budgets import Budgets
from delrec_compile.evaluation.compare.result import TargetRow
from delrec_compile.evaluation.compare.run import _proven, select_targets
from delrec_compile.evaluation.compare.run import compare as compare_targets
from delrec_compile.evaluation.compare.table import lines
from delrec_compile.evaluation.latency.result import Bench
from delrec_compile.evaluation.latency.result import BenchRow as BenchRow
from delrec_compile.evaluation.proof import Proof
from delrec_compile.network import checkpoint
from delrec_compile.system import toolchain

NAME = "conv3"
pytestmark = pytest.mark.usefixtures("children_here")
HERE = ("x86_64", "portable_c")
# what scripts rely on; more fields are welcome
KEYS = {
    "target",
    "numeric",
    "how",
    "us_per_step",
    "instructions_per_step",
    "flash_bytes",
    "ram_bytes",
    "ratio_to_pytorch",
    "check",
    "skipped",
}
TINY_CHIP = """
summary = "a chip that is too small"
how = "emulated"
machine = "cortex_m3"
form = "sources"
core = "cortex_m3"
numeric = ["float32"]
tools = ["zig", "emulator"]
clock_mhz = 24

[memory]
chip = "a tiny chip"
flash = [0x08000000, 2]
ram = [0x20000000, 8]
stack = 2

[[schedule]]
lanes = 1
registers = 8
events = "branch"
"""


@pytest.fixture(scope="module")
def network():
    return cases.network(NAME)


@pytest.fixture(scope="module")
def place(tmp_path_factory, network):
    """A folder with the network, samples that fit it, and the artifacts of the tests."""
    if not targets.load("x86_64").runs_here:
        pytest.skip("the compiled library does not run on this machine")
    folder = tmp_path_factory.mktemp("compare")
    checkpoint.save(network, folder / "net.safetensors")
    x = cases.counts(cases.CASES[NAME], batch=4, steps=30)
    counts = np.ascontiguousarray(x.transpose(1, 0, 2)).astype(np.uint8)
    save_samples(folder / "samples.npz", Events(counts, np.zeros(4, np.int64), None, None, 10.0))
    return folder


@pytest.fixture(scope="module")
def arguments(place):
    return {"out": place / "kept", "samples": str(place / "samples.npz")}


@pytest.fixture(scope="module")
def found(network, arguments):
    return delrec_compile.compare(network, HERE, **arguments)


def test_native_rows_are_checked_and_timed(found):
    told = found.as_dict()
    assert [(r["target"], r["numeric"], r["how"]) for r in told["rows"]] == [
        (name, "float32", "native") for name in HERE
    ]
    for row in told["rows"]:
        assert set(row) >= KEYS
        assert row["check"]["passed"]
        assert row["check"]["sequences"] == 4
        assert row["check"]["spikes"]["compared"] == 4 * 30 * 37
        assert row["us_per_step"] > 0
        assert row["ratio_to_pytorch"] > 5
        assert row["share_of_dt"] == pytest.approx(row["us_per_step"] / 10_000)
        assert row["instructions_per_step"] is row["skipped"] is row["failed"] is None
    baselines = {p["name"]: p for p in told["peers"]}
    assert set(baselines) == {"torch_eager", "onnxruntime"}
    assert baselines["torch_eager"]["ratio_to_pytorch"] == 1.0
    ours = told["rows"][0]
    ratio = baselines["torch_eager"]["us_per_step"] / ours["us_per_step"]
    assert ours["ratio_to_pytorch"] == pytest.approx(ratio)
    assert told["passed"] is True
    assert 0 < told["workload"]["hidden_rate"] < 0.5
    assert json.dumps(told)


def test_artifacts_are_found_again(found, network, arguments, monkeypatch):
    content = checkpoint.digest(network)[:8]
    paths = [arguments["out"] / f"{NAME}-{content}-{name}-float32" for name in HERE]
    assert [r.artifact for r in found.rows] == [str(p) for p in paths]
    assert [r.reused for r in found.rows] == [False, False]

    def never(*_, **__):
        raise AssertionError("built again")

    monkeypatch.setattr(kept, "build", never)
    again = delrec_compile.compare(network, HERE, limit=1, **arguments)
    assert [r.reused for r in again.rows] == [True, True]
    assert [r.check["sequences"] for r in again.rows] == [1, 1]


@pytest.fixture(scope="module")
def chips(network, arguments, place):
    """An emulated chip, one that is too small, and this machine."""
    for package in ("unicorn", "ziglang"):
        pytest.importorskip(package)
    (place / "tiny_chip.toml").write_text(TINY_CHIP)
    asked = ("cortex_m4", str(place / "tiny_chip.toml"), "x86_64")
    budgets = Budgets(max_us=1e6, max_ram=128 * 1024)
    return delrec_compile.compare(network, asked, limit=1, budgets=budgets, **arguments)


def test_an_emulated_row_gives_instructions_and_an_estimate(chips):
    row = chips.rows[0]
    assert (row.target, row.how, row.failed) == ("cortex_m4", "emulated", None)
    assert "Cortex-M4" in row.engine
    assert row.worst_instructions >= row.instructions_per_step > 100
    assert row.estimated_us == pytest.approx(row.instructions_per_step / 168)
    assert row.estimated_worst_us == pytest.approx(row.worst_instructions / 168)
    assert row.share_of_dt == pytest.approx(row.estimated_us / 10_000)
    assert row.us_per_step is row.ratio_to_pytorch is None
    assert row.flash_bytes > row.ram_bytes > 0
    assert row.check["passed"]
    assert chips.as_dict()["cycles_per_instruction"] == 1.0
    text = "\n".join(lines(chips))
    assert "1.0 cycles each" in text
    assert "at 168 MHz" in text


def test_what_does_not_fit_is_a_row_and_exit_7(chips):
    row = chips.rows[1]
    assert row.failed.startswith("does not fit a tiny chip: ")
    assert row.flash_bytes is row.check is None
    assert chips.rows[2].us_per_step > 0
    error = chips.error()
    assert error.exit_code == 7
    assert "tiny_chip float32: does not fit" in str(error)
    assert len(chips.unjudged) == 2
    assert "--max-ram is not judged on tiny_chip float32: does not fit" in chips.unjudged[1]


def test_missing_tools_are_shown_with_what_mends_them(found, network, arguments, monkeypatch):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda _: None)
    some = delrec_compile.compare(network, ("arm_cpu", "x86_64"), limit=1, **arguments)
    assert "[cross]'" in some.rows[0].skipped
    assert some.rows[1].us_per_step > 0
    assert some.error() is None
    text = "\n".join(lines(some))
    assert "skipped arm_cpu float32: no compiler for aarch64" in text
    none = delrec_compile.compare(network, ("arm_cpu", "arm_cpu_v7"), **arguments)
    error = none.error()
    assert error.exit_code == 5
    assert "pip install" in str(error)
    assert none.baselines == ()
    asked = Budgets(max_instructions=10)
    judged = delrec_compile.compare(
        network, ("arm_cpu", "x86_64"), limit=1, budgets=asked, **arguments
    )
    assert judged.error().exit_code == 5, "a budget that nothing answers does not pass"
    assert "nothing answers --max-instructions" in str(judged.error())


def test_no_compiler_at_all(network, arguments, monkeypatch, tmp_path):
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    none = compare_targets(network, ["x86_64"], **{**arguments, "out": tmp_path / "new"})
    assert none.error().exit_code == 5
    assert "no C compiler found" in none.rows[0].skipped
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("error", "field", "code"),
    [
        (ParityError("x86_64 differs"), "failed", 6),
        (CompilerCrash("died"), "failed", 9),
        (DeviceError("gone"), "failed", 8),
        (ToolchainError("no tool; pip install tool"), "skipped", 5),
        (UnsupportedError("no such mode"), "skipped", 4),
    ],
)
def test_an_error_of_one_target_is_its_row(
    error, field, code, found, network, arguments, monkeypatch
):
    def prove(artifact, *_, **__):
        raise error

    monkeypatch.setattr(sys.modules["delrec_compile.evaluation.compare.run"], "prove", prove)
    one = compare_targets(network, ["x86_64"], **arguments)
    assert getattr(one.rows[0], field) == str(error)
    assert one.error().exit_code == code
    if code == 6:
        assert one.rows[0].check["passed"] is False


def test_a_device_is_timed_on_itself(found, network, arguments, monkeypatch):
    module = sys.modules["delrec_compile.evaluation.compare.run"]
    passed = found.rows[0].check
    proof = Proof(passed, passed, None, {}, {"how": "device (a GPU)"})
    monkeypatch.setattr(module, "prove", lambda *_, **__: proof)
    timed = Bench((BenchRow("ours@1", 7.5, 0.0, 1.0),), {})
    monkeypatch.setattr(module, "bench", lambda *_, **__: timed)
    row = compare_targets(network, ["x86_64"], limit=1, **arguments).rows[0]
    assert (row.how, row.engine, row.us_per_step) == ("device", "device (a GPU)", 7.5)
    assert row.share_of_dt == pytest.approx(7.5 / 10_000)
    assert row.ratio_to_pytorch is None


def test_a_failed_timing_is_told(found, network, arguments, monkeypatch):
    def call(*_, **__):
        raise CompilerCrash("it died")

    module = sys.modules["delrec_compile.evaluation.compare.run"]
    passed = Proof(found.rows[0].check, {}, None, {})
    monkeypatch.setattr(module, "prove", lambda *_, **__: passed)
    monkeypatch.setattr(module.child, "call", call)
    one = compare_targets(network, ["x86_64"], limit=1, **arguments)
    assert one.rows[0].failed == "not timed: it died"
    assert one.error().exit_code == 9


def test_bad_requests_are_refused_before_any_build(network, arguments, tmp_path):
    kw = {**arguments, "out": tmp_path / "new"}
    with refusal(UnsupportedError, "did you mean 'x86_64'", 4, tmp_path):
        compare_targets(network, ("portable_c", "x86_65"), **kw)
    with refusal(UsageError, "no target is specified; allowed: all, arm_cpu", 2, tmp_path):
        compare_targets(network, (" ",), **kw)
    with refusal(UnsupportedError, "unknown numeric mode 'float23'; did you mean", 4, tmp_path):
        compare_targets(network, ("x86_64",), numeric=("float23",), **kw)
    with refusal(UsageError, "no numeric mode", 2, tmp_path):
        compare_targets(network, ("x86_64",), numeric=(), **kw)
    with refusal(
        UsageError, "--max-flash: x86_64 cannot be judged by it; .*: cortex_m0plus", 2, tmp_path
    ):
        compare_targets(network, ("x86_64",), budgets=Budgets(max_flash=1), **kw)
    with refusal(UsageError, "--max-instructions: x86_64 cannot be judged", 2, tmp_path):
        compare_targets(network, ("x86_64",), budgets=Budgets(max_instructions=1), **kw)
    with refusal(UsageError, "--max-us 0: a budget must be more than 0", 2, tmp_path):
        Budgets(max_us=0)
    with refusal(DataError, "140 inputs per step, the network takes 14", 3, tmp_path):
        compare_targets(network, ("x86_64",), out=tmp_path / "new", samples="samples")


def test_targets_are_merged(tmp_path):
    assert list(select_targets(["x86_64", " portable_c", "x86_64", ""])) == ["x86_64", "portable_c"]
    assert tuple(select_targets(["all"])) == targets.names()
    assert next(iter(select_targets(["x86_64", "all"]))) == "x86_64"
    assert len(select_targets(["x86_64", "all"])) == len(targets.names())
    mine = tmp_path / "x86_64.toml"
    mine.write_text(TINY_CHIP)
    with refusal(UsageError, "both named 'x86_64': rename the file", 2):
        select_targets(["x86_64", str(mine)])


def test_the_table_shows_every_row(found, chips, capsys):
    show(tables.comparison_table(chips))
    text = capsys.readouterr().out
    for word in ("PyTorch eager", "ONNX Runtime", "cortex_m4", "tiny_chip", "x86_64", "failed"):
        assert word in text
    assert "~" in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_command(found, place, arguments, tmp_path):
    common = ("-o", arguments["out"], "-i", arguments["samples"], "--limit", 1)
    page = tmp_path / "r.html"
    start = ("compare", place / "net.safetensors", "--targets", "x86_64", *common)
    done = cli_here(*start, "--json", "--html", page)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "delrec.compare/1"
    assert set(told["rows"][0]) >= KEYS
    assert told["rows"][0]["reused"] is True
    assert "[1/2] x86_64 float32: " in done.stderr
    assert page.read_text().startswith("<!doctype html>")
    assert "--force" in refused_here(3, *start, "--html", page)
    done = cli_here(*start, "--max-us", "0.0001")
    assert done.returncode == 7
    assert "over budget: x86_64 float32: " in done.stdout
    errors = [s for s in done.stderr.splitlines() if s.startswith("error: ")]
    assert errors == ["error: budget missed: --max-us by x86_64 float32"]
    done = cli_here(*start, "--max-us", "1e6")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("next: delrec-compile bench ")


def test_interrupt_keeps_what_is_built(place, network, arguments, tmp_path):
    process = subprocess.Popen(
        [
            *COMMAND,
            *("compare", str(place / "net.safetensors"), "--targets", "x86_64,portable_c"),
            *("-o", str(tmp_path / "kept"), "-i", arguments["samples"], "--limit", "1"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[2/3]") and "compiling" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, "Traceback" in err) == ("", False)
    assert "run the same command to continue from them" in err
    name = f"{NAME}-{checkpoint.digest(network)[:8]}-x86_64-float32"
    assert load_artifact(tmp_path / "kept" / name)
    assert {p.name for p in (tmp_path / "kept").iterdir()} == {name, f"{name}.tar.gz"}


def test_what_this_machine_cannot_run_is_skipped(network, tmp_path):
    """A library for a newer processor is built, and neither checked nor timed."""
    artifact = Artifact(tmp_path, typed(llvm={"mcpu": "x86-64-v9"}))
    row = _proven(TargetRow("x86_64", "float32"), artifact, Proof(None, {}, None, {}), 10.0)
    assert row.skipped == (
        "built for x86-64-v9, which this machine cannot run: not checked, not timed"
    )
    assert (row.exit_code, row.how, row.check) == (4, None, None)


def test_a_row_that_failed_is_not_timed_with_the_others(found, network, arguments, monkeypatch):
    module = sys.modules["delrec_compile.evaluation.compare.run"]
    told = {"times": {"torch_eager": 40.0, "onnxruntime": 20.0, "1": 2.0}, "workload": {}}
    asked = {}

    def call(_, artifacts, **__):
        asked.update(artifacts)
        return told

    monkeypatch.setattr(module.child, "call", call)
    good, bad = found.rows[1], replace(found.rows[0], failed="died", us_per_step=None)
    run = SimpleNamespace(network=network, samples="", limit=1)
    rows, baselines, _ = module._Plan.timed(run, [bad, good])
    assert list(asked) == ["1"]
    assert rows[0] == bad
    assert (rows[1].us_per_step, rows[1].ratio_to_pytorch) == (2.0, 20.0)
    assert [b["us_per_step"] for b in baselines] == [40.0, 20.0]
