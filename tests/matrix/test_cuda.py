"""GPU code: what TVM and the CUDA compiler make, and its bits in the emulated driver or on a GPU."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
import torch
from fixtures.command import cli_here
from fixtures.staged import artifact_here
from fixtures.traces import same
from helpers import refusal

from delrec_compile import targets
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.build import build
from delrec_compile.compiler.codegen.cuda import cuda_text
from delrec_compile.compiler.kernels.gpu_float32 import compose_gpu
from delrec_compile.errors import (
    CompilerCrash,
    DataError,
    DeviceError,
    InputError,
    ParityError,
    ToolchainError,
    UnsupportedError,
)
from delrec_compile.evaluation import report
from delrec_compile.evaluation.latency import gpu
from delrec_compile.evaluation.latency.bench import bench
from delrec_compile.evaluation.proof import prove
from delrec_compile.network import checkpoint
from delrec_compile.network.model import Network
from delrec_compile.network.tolerances import EXACT
from delrec_compile.runners.emulated import cuda
from delrec_compile.runners.gpu import GpuSession
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import doctor, nvrtc, toolchain
from delrec_compile.targets.schedule import Schedule

ENTRIES = [
    "close",
    "decide",
    "driver",
    "label",
    "open",
    "reset",
    "run",
    "run_device",
    "self_test",
    "state_bytes",
    "trace",
]
EXAMPLE = Path(__file__).parents[2] / "docs" / "example_cuda.c"
Made = Callable[..., Artifact]
pytestmark = pytest.mark.usefixtures("children_here")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """`made(network, target="cuda", cpu=None)`: an artifact's folder, made once in this process."""
    kept: dict[tuple[str, str, str | None], Artifact] = {}

    def make(network: Network, target: str = "cuda", cpu: str | None = None) -> Artifact:
        key = (checkpoint.digest(network), target, cpu)
        if key not in kept:
            kept[key] = artifact_here(
                network, target, tmp_path_factory.mktemp(network.name), cpu=cpu
            )
        return kept[key]

    return make


@pytest.fixture
def narrow(tmp_path: Path) -> Callable[[int, int], str]:
    """`narrow(threads, registers)`: the profile with a smaller block."""

    def profile(threads: int, registers: int) -> str:
        text = (Path(targets.__file__).parent / "cuda.toml").read_text()
        text = re.sub(r"lanes = \d+", f"lanes = {threads}", text)
        text = re.sub(r"registers = \d+", f"registers = {registers}", text)
        path = tmp_path / f"block_{threads}_{registers}.toml"
        path.write_text(text)
        return str(path)

    return profile


def text_of(network: Network, *, trace: bool = False) -> str:
    kernel = compose_gpu(network, Schedule(256, 4, "ballot"), trace=trace)
    return cuda_text({"kernel": kernel.function}, "sm_80")


# The bits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cases.EXACT)
def test_the_kernels_give_the_bits_of_torch(name: str, made: Made) -> None:
    """Several streams, whichever threads run first."""
    network, x = cases.network(name), cases.counts(cases.CASES[name], batch=3)
    want = TorchRunner(network).trace(x)
    session = GpuSession(made(network), emulated=True)
    assert session.driver is not None
    assert session.self_test()
    for seed in (0, 1, 2):
        cuda.set_order(session.driver, seed)
        same(session.trace(x), want)


@pytest.mark.parametrize("name", cases.EXACT)
def test_a_gpu_gives_the_bits_of_torch(name: str, made: Made) -> None:
    if cuda.gpu() is None:
        pytest.skip("no GPU on this machine")
    network, x = cases.network(name), cases.counts(cases.CASES[name], batch=33)
    session = GpuSession(made(network), emulated=False)
    assert session.self_test()
    same(session.trace(x), TorchRunner(network).trace(x))


INTEGER = [
    # by turns in one of the two modes; the one with all kinds of maps in both
    pytest.param(name, numeric, id=f"{name}-{numeric}")
    for i, name in enumerate(cases.INTEGER_ON_CHIPS)
    for k, numeric in enumerate(("int8", "int16"))
    if i % 2 == k or name in ("all_kinds", "real", "real_maps")
]


@pytest.mark.parametrize(("name", "numeric"), INTEGER)
def test_integer_kernels_give_the_bits_of_the_reference(
    name: str, numeric: str, tmp_path: Path
) -> None:
    """Counts beyond max_input are taken as max_input."""
    artifact = artifact_here(cases.network(name), "cuda", tmp_path, numeric=numeric)
    whole = artifact.integer
    assert whole is not None
    session = GpuSession(artifact, emulated=True)
    assert session.driver is not None
    assert session.self_test()
    x = cases.counts(cases.CASES[name], batch=2, steps=60)
    for seed, counts in enumerate((x, np.minimum(x * 60, 255))):
        cuda.set_order(session.driver, seed)
        same(session.trace(counts), ReferenceRunner(whole).trace(counts))


@pytest.mark.parametrize("name", cases.INTEGER)
def test_a_gpu_gives_the_bits_of_the_integer_reference(name: str, tmp_path: Path) -> None:
    if cuda.gpu() is None:
        pytest.skip("no GPU on this machine")
    artifact = artifact_here(cases.network(name), "cuda", tmp_path, numeric="int8")
    whole = artifact.integer
    assert whole is not None
    x = cases.counts(cases.CASES[name], batch=33)
    session = GpuSession(artifact, emulated=False)
    assert session.self_test()
    same(session.trace(x), ReferenceRunner(whole).trace(x))


def test_an_int8_artifact_is_proven_against_its_reference(tmp_path: Path) -> None:
    artifact = build(cases.network("mixed"), "cuda", tmp_path / "a", numeric="int8")
    proof = prove(artifact, "random:0.3:1", limit=2, timed=False)
    assert proof.check is not None
    assert proof.check["reference"] == "integer"
    assert proof.check["spikes"]["differing"] == 0
    assert proof.check["against_float"] is not None


def test_off_the_grid_the_sums_have_an_order(made: Made) -> None:
    network, x = cases.network("off_grid"), cases.counts(cases.CASES["off_grid"], batch=2)
    session = GpuSession(made(network), emulated=True)
    assert session.driver is not None
    got = session.trace(x)
    want = TorchRunner(network).trace(x)
    np.testing.assert_allclose(got.y, want.y, atol=1e-5)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)
    cuda.set_order(session.driver, 3)
    same(session.trace(x), got)


@pytest.mark.parametrize(
    ("name", "block"),
    [("wide", (32, 1)), ("wide", (64, 4)), ("both_layers", (32, 2)), ("one_layer", (32, 1))],
)
def test_layers_may_be_wider_than_the_block(
    name: str, block: tuple[int, int], made: Made, narrow: Callable[[int, int], str]
) -> None:
    network, x = cases.network(name), cases.counts(cases.CASES[name], batch=2)
    artifact = made(network, narrow(*block))
    assert artifact.manifest.threads == block[0]
    same(GpuSession(artifact, emulated=True).trace(x), TorchRunner(network).trace(x))


def test_wide_kernels_reach_beyond_a_word(made: Made, narrow: Callable[[int, int], str]) -> None:
    for taps, neurons in ((67, 150), (31, 20)):
        case = cases.Case(f"taps_{taps}", sizes=(neurons,), recurrence=(f"conv{taps}",))
        network, x = cases.made(case), cases.counts(case, batch=2)
        for artifact in (made(network), made(network, narrow(64, 2))):
            same(GpuSession(artifact, emulated=True).trace(x), TorchRunner(network).trace(x))


def test_the_session_of_a_cpu_refuses_it(made: Made) -> None:
    with refusal(InputError, "is built for a GPU; use GpuSession", 3):
        Session(made(cases.network("mixed")))


def test_state_stays_between_launches(made: Made) -> None:
    network, x = cases.network("both_layers"), cases.counts(cases.CASES["both_layers"], batch=2)
    session = GpuSession(made(network), emulated=True)
    session.open(2)
    want = session.run(x)
    session.reset()
    parts = [session.run(part) for part in (x[:1], x[1:20], x[20:])]
    np.testing.assert_array_equal(np.concatenate(parts), want)
    session.open(1)
    np.testing.assert_array_equal(session.run(x[:, 1:])[:, 0], want[:, 1])
    session.close()
    assert session.streams == 0


def test_the_bundled_network_is_proven(tmp_path: Path) -> None:
    artifact = build(checkpoint.load("dense_delay_256"), "cuda", tmp_path / "a")
    proof = prove(artifact, limit=1, timed=False)
    assert proof.check is not None
    assert proof.check["spikes"]["compared"] == 80 * 512
    assert proof.check["spikes"]["differing"] == 0
    assert proof.check["membrane"]["max_abs_error"] == 0.0
    assert proof.emulated is not None
    if cuda.gpu() is None:
        assert proof.emulated["how"] == "emulated (CUDA source on this CPU, no GPU)"
        assert report.emulated_line(proof.emulated) == proof.emulated["how"]
        assert proof.emulated["instructions_per_step"] is None
        assert proof.bench is None


# The code ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_90"])
def test_device_code_for_an_architecture(arch: str, made: Made) -> None:
    network = cases.network("mixed")
    artifact = made(network, cpu=arch)
    ptx = (artifact.path / "lib" / "mixed.ptx").read_text()
    assert re.search(rf"^\.target {arch}$", ptx, flags=re.M)
    assert sorted(nvrtc.entries(ptx)) == ["mixed_kernel_run", "mixed_kernel_trace"]
    assert artifact.manifest.arch == arch
    assert (artifact.path / "lib" / "mixed.cubin").read_bytes()[:4] == b"\x7fELF"
    # the leak is rounded before the sum: nothing is contracted
    assert "fma.rn" not in ptx
    assert set(re.findall(r"\b(?:mul|add|sub|mad)\S*\.f32", ptx)) == {"mul.rn.f32", "add.rn.f32"}
    assert "ld.global.nc.f32" in ptx


def test_the_source_forbids_contraction_by_itself() -> None:
    text = text_of(cases.network("mixed"))
    assert text.count("__fmul_rn(") == 3  # two layers and the readout
    assert not re.search(r"_v\[\w+\] \*", text)
    assert "#include" not in text
    assert "const float* __restrict__ l0_weight" in text
    assert re.search(r"\n    float\* __restrict__ l0_v", text)


def test_one_launch_runs_all_steps() -> None:
    """A loop over time in one kernel, two syncs per step and two per layer."""
    for name in ("feed_forward", "three_layers"):
        network = cases.network(name)
        text = text_of(network)
        assert text.count("__global__") == 1
        assert text.count("for (int t = 0; t < steps; ++t)") == 1
        assert text.count("__syncthreads") == 2 + 2 * len(network.layers)


# The emulator ------------------------------------------------------------------------------------


def test_every_barrier_is_needed_and_missed(made: Made, tmp_path: Path) -> None:
    """Without any one of the kernel's syncs the outputs depend on who runs first, and are seen to."""
    name = "dense_and_conv"
    case = replace(cases.CASES["mixed"], name=name, sizes=(70, 90), inputs=80)
    network, x = cases.made(case), cases.counts(case, batch=2)
    want = TorchRunner(network).trace(x)
    wide = GpuSession(made(network), emulated=True)
    same(wide.trace(x), want)
    source = (wide.artifact.path / "lib" / f"{name}.cu").read_text()
    parts = source.split("__syncthreads();")
    syncs = (len(parts) - 1) // 2
    assert syncs == 6
    for gone in range(syncs):
        joined = parts[0]
        for k, part in enumerate(parts[1:]):
            joined += ("" if k % syncs == gone else "__syncthreads();") + part
        folder = tmp_path / str(gone)
        folder.mkdir()
        (folder / "k.cu").write_text(joined)
        wide.emulate(folder / "k.cu")
        assert any(_differs(wide, seed, x, want) for seed in range(6)), gone


def _differs(session: GpuSession, seed: int, x: np.ndarray, want: object) -> bool:
    assert session.driver is not None
    cuda.set_order(session.driver, seed)
    try:
        same(session.trace(x), want)
    except (AssertionError, CompilerCrash, DeviceError):
        return True
    return False


def test_real_inputs_that_stay_are_not_multiplied_again(made: Made, tmp_path: Path) -> None:
    """Reads of the weights of the inputs are counted; where the threads do not ask each other whether
    an input changed, the outputs are wrong."""
    network = cases.network("real")
    session = GpuSession(made(network), emulated=True)
    source = (session.artifact.path / "lib" / "real.cu").read_text()
    counted = re.sub(r"(?<=\W)l0_weight\[", "(reads++, l0_weight)[", source)
    (tmp_path / "k.cu").write_text(f'extern "C" {{ long reads; }}\n{counted}')
    session.emulate(tmp_path / "k.cu")
    assert session.driver is not None
    reads = ctypes.c_long.in_dll(session.driver, "reads")
    x = np.random.default_rng(3).uniform(0.1, 1, (12, 2, network.inputs)).astype(np.float32)
    x[2:5], x[8:] = x[1], x[7]
    same(session.trace(x), TorchRunner(network).trace(x))
    different, kernels, streams = 5, 2, 2
    assert reads.value == different * kernels * streams * network.inputs * 17

    x[:, :, 1:] = x[:1, :, 1:]
    x[6:, :, 0] = 0.5  # seen by the first thread alone
    want = TorchRunner(network).trace(x)
    same(session.trace(x), want)
    (tmp_path / "k.cu").write_text(source.replace("__syncthreads_or(", "(__syncthreads(), 0) | ("))
    session.emulate(tmp_path / "k.cu")
    assert _differs(session, 0, x, want)


# The host library --------------------------------------------------------------------------------


def test_the_library_exports_its_entries_and_needs_no_toolkit(made: Made, tmp_path: Path) -> None:
    library = made(cases.network("mixed")).library
    assert library is not None
    out = subprocess.run(["nm", "-D", library], capture_output=True, text=True, check=True).stdout
    symbols = {s.split()[-1].split("@")[0]: s.split()[-2] for s in out.splitlines()}
    assert {n for n, kind in symbols.items() if kind == "T"} == {f"mixed_{e}" for e in ENTRIES}
    assert not {n for n in symbols if n.startswith(("cu", "TVM"))}
    header = library.parents[1] / "include" / "mixed.h"
    for e in ENTRIES:
        assert f"mixed_{e}(" in header.read_text()
    (tmp_path / "h.cc").write_text(f'#include "{header}"\n')
    toolchain.run_cxx("-Wall", "-Werror", "-c", tmp_path / "h.cc", "-o", tmp_path / "h.o")


def test_the_host_source_has_no_warnings(made: Made, tmp_path: Path) -> None:
    artifact = made(cases.network("mixed"))
    files = {"CUBIN": "cubin", "PTX": "ptx", "WEIGHTS": "weights"}
    defined = [f'-D{k}="{artifact.path / "lib" / "mixed"}.{v}"' for k, v in files.items()]
    flags = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-fPIC", "-c")
    include = f"-I{artifact.path / 'include'}"
    source = artifact.path / "src" / "mixed_host.c"
    toolchain.run_cc(*flags, *defined, include, source, "-o", tmp_path / "h.o")


def test_arguments_that_make_no_sense(made: Made) -> None:
    network = cases.network("mixed")
    session = GpuSession(made(network), emulated=True)
    session.open(2)
    entry, null, x = session._entry, ctypes.c_void_p(), np.zeros((1, 2, 99), np.float32)
    assert entry("open")(null, 0, 1) == -1
    assert entry("open")(ctypes.byref(null), 0, 0) == -1
    assert entry("open")(ctypes.byref(null), 7, 1) == 101
    assert entry("reset")(null) == -1
    at = ctypes.c_void_p(x.ctypes.data)
    for steps in (0, -1, 2**31 - 1):
        assert entry("run")(session._gpu, at, ctypes.c_int32(steps), at) == -1
    assert entry("run")(session._gpu, null, 1, at) == -1
    assert entry("trace")(session._gpu, at, 1, at, null) == -1
    assert entry("driver")(b"libnone.so.9") == -2
    with pytest.raises(DataError, match=r"x has shape \[1, 2, 99\]; \[steps, 2, 14\] is required"):
        session.run(x)


def test_without_a_driver_it_says_so(made: Made) -> None:
    if cuda.gpu() is not None:
        pytest.skip("this machine has a GPU")
    artifact = made(cases.network("mixed"))
    code = (
        f"import ctypes; lib = ctypes.CDLL({str(artifact.library)!r}); "
        "print(lib.mixed_open(ctypes.byref(ctypes.c_void_p()), 0, 1), lib.mixed_self_test(0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-2", "-2"]
    with refusal(DeviceError, "no GPU here; it can be emulated: see docs/cuda.md", 8):
        GpuSession(artifact, emulated=False)


def test_the_self_test_finds_a_flipped_bit_of_a_table(made: Made, tmp_path: Path) -> None:
    artifact = made(cases.network("mixed"))
    assert artifact.library is not None
    weights = (artifact.path / "lib" / "mixed.weights").read_bytes()
    raw = artifact.library.read_bytes()
    assert raw.count(weights) == 1
    driver = cuda.write_driver(
        artifact.path / "lib" / "mixed.cu", artifact.manifest.kernels, tmp_path
    )
    for at in (0, len(weights) // 2, len(weights) - 1):
        flipped = bytearray(raw)
        flipped[raw.find(weights) + at] ^= 1
        copy = tmp_path / f"{at}.so"
        copy.write_bytes(flipped)
        library = ctypes.CDLL(str(copy))
        assert library.mixed_driver(str(driver).encode()) == 0
        assert library.mixed_self_test(0) == -4


def test_the_weights_file_is_what_the_manifest_says(made: Made) -> None:
    network = cases.network("mixed")
    artifact = made(network)
    raw = (artifact.path / "lib" / "mixed.weights").read_bytes()
    for name, where in artifact.manifest.tables.items():
        assert where["offset"] % 256 == 0
        array = np.frombuffer(raw, where["dtype"], where["elements"], where["offset"])
        if name == "l1_weight":
            np.testing.assert_array_equal(array, network.layers[1].weight.T.reshape(-1))


# Commands and refusals ---------------------------------------------------------------------------


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    network = cases.network("mixed")
    files = [build(network, "cuda", tmp_path / d / "a").archive.read_bytes() for d in "xy"]
    assert files[0] == files[1]


def test_the_commands(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    done = cli_here("build", "-t", "cuda", "--cpu", "sm_90", "-o", folder, "--limit", "1", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["check"]["spikes"]["differing"] == 0
    assert told["check"]["spikes"]["compared"] == 80 * 512
    names = [f"lib/conv_delay_256.{kind}" for kind in ("cu", "ptx", "cubin", "weights")]
    assert set(names) < set(told["files"])
    checked = json.loads(cli_here("check", folder, "--limit", "1", "--json").stdout)
    assert checked["passed"] is True
    assert len(json.loads(cli_here("run", folder, "--limit", "1", "--json").stdout)["classes"]) == 1
    flags = ("-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{folder / 'include'}")
    lib = (f"-L{folder / 'lib'}", "-lconv_delay_256", f"-Wl,-rpath,{folder / 'lib'}")
    toolchain.run_cc(*flags, EXAMPLE, *lib, "-o", tmp_path / "example")
    example = subprocess.run([tmp_path / "example"], capture_output=True, check=False)
    assert example.returncode == (77 if cuda.gpu() is None else 0)
    if cuda.gpu() is None:
        assert told["latency"] == {
            "us_per_step": None,
            "instructions_per_step": None,
            "how": "emulated",
        }
        done = cli_here("bench", folder)
        assert done.returncode == 8
        assert "no GPU here, so there is nothing to time" in done.stderr


def test_an_unknown_architecture(tmp_path: Path) -> None:
    message = "unknown GPU architecture 'sm_91'; did you mean 'sm_.*allows: .*sm_80.*sm_90"
    with refusal(UnsupportedError, message, 4, tmp_path):
        build(cases.network("mixed"), "cuda", tmp_path / "a", cpu="sm_91")


def test_no_compiler_for_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvrtc, "_libraries", list)
    monkeypatch.setattr(nvrtc.shutil, "which", lambda name: None)
    with pytest.raises(ToolchainError, match=r"pip install .*'\S*\[cuda\]'"):
        nvrtc.find()
    finding = doctor._cuda()
    assert not finding.ok
    assert finding.fix.endswith("[cuda]'")
    assert "cuda" in doctor.missing(targets.load("cuda"))
    monkeypatch.setattr(toolchain, "cc", lambda cross="": ["cc"])
    with refusal(ToolchainError, r"pip install .*'\S*\[cuda\]'", 5, tmp_path):
        build(cases.network("mixed"), "cuda", tmp_path / "a")


def test_what_the_compiler_refuses_is_named() -> None:
    with refusal(CompilerCrash, r"rejected bad.cu: .*error", 9):
        nvrtc.find().compile("__global__ void k() { nonsense; }", "bad", "sm_80")


# The benchmark, as far as it goes without a GPU --------------------------------------------------


def test_the_peers_loop_is_the_reference() -> None:
    network, x = cases.network("mixed"), cases.counts(cases.CASES["mixed"], batch=4)
    there = torch.from_numpy(x)
    step, state = gpu._module(network, there)
    y = gpu.loop(step, there, state).numpy()
    np.testing.assert_array_equal(y, TorchRunner(network).trace(x).y)


def test_the_parts_of_the_benchmark(made: Made) -> None:
    network, x = cases.network("mixed"), cases.counts(cases.CASES["mixed"], batch=2)
    session = GpuSession(made(network), emulated=True)
    # the emulated GPU's memory is that of the CPU
    engines, missing = gpu.engines_for(session, network, x, gpu.GPU_ROWS[1:3], device="cpu")
    assert (list(engines), missing) == (["ours", "ours_host", "torch_eager"], {})
    want = TorchRunner(network).trace(x).y
    off = {"ours": 0.0, "ours_host": 0.0, "torch_eager": pytest.approx(1.0)}
    assert gpu._differences(engines, want + 1, want, EXACT) == off
    with pytest.raises(ParityError, match="ours computes different outputs"):
        gpu._differences(engines, want, want + 1, EXACT)
    times = gpu._interleave(engines, 2, len(x))
    assert {name: len(each) for name, each in times.items()} == dict.fromkeys(off, 2)


def test_what_pytorch_cannot_make_is_skipped_by_name(made: Made) -> None:
    network, x = cases.network("mixed"), cases.counts(cases.CASES["mixed"], batch=2)
    session = GpuSession(made(network), emulated=True)
    engines, missing = gpu.engines_for(session, network, x, ["torch_graph"], device="cpu")
    assert list(engines) == ["ours"]
    assert list(missing) == ["torch_graph"]
    late = time.monotonic() + gpu.COMPILE_S / 2
    wanted = ("torch_eager", "torch_compile")
    engines, missing = gpu.engines_for(session, network, x, wanted, late, device="cpu")
    assert list(engines) == ["ours", "torch_eager"]
    assert missing == {"torch_compile": gpu.TIME_IS_OVER}


def test_there_is_no_time_without_a_gpu(tmp_path: Path) -> None:
    if cuda.gpu() is not None:
        pytest.skip("this machine has a GPU")
    artifact = build(cases.network("one_layer"), "cuda", tmp_path / "a")
    with refusal(DeviceError, "no GPU here, so there is nothing to time", 8):
        bench(artifact.path)


def test_on_a_gpu_every_engine_is_timed(tmp_path: Path) -> None:
    if cuda.gpu() is None:
        pytest.skip("no GPU on this machine")
    artifact = build(checkpoint.load("conv_delay_256"), "cuda", tmp_path / "a")
    rows = {r.name: r for r in bench(artifact.path, rounds=3).rows}
    assert {n.partition("@")[0] for n in rows} <= set(gpu.GPU_ROWS)
    assert all(rows[f"ours@{b}"].us_per_step > 0 for b in gpu.BATCHES)
