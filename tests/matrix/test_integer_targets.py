"""int16 and int8 on every target: the bits of the integer reference."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.command import ok_here
from fixtures.staged import Staged, artifact_here
from helpers import refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from delrec_compile import targets
from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.compiler.build import build
from delrec_compile.errors import CheckpointError, ParityError, UnsupportedError
from delrec_compile.evaluation.proof import prove
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.network.model import ConvDelay, DenseDelay, Layer, Lif, Network
from delrec_compile.ops import byte_rows
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.runners.emulated import qemu
from delrec_compile.runners.open import emulated_runner
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.runner import Runner
from delrec_compile.runners.session import Session
from delrec_compile.system import toolchain
from delrec_compile.system.fields import SEAL
from delrec_compile.targets import Choice
from delrec_compile.targets.schedule import Schedule

CHIPS = [t for t in targets.names() if targets.load(t).core]
FORMS = {  # every way in which a host can add integer rows
    "x86_64": {},
    "wide": {"bytes": "wide", "events": "scan"},
    "words": {"bytes": "words", "events": "branch", "words": 3, "neurons": 4},
    "one word": {"bytes": "words", "words": 1, "neurons": 1},
    "memory": {"bytes": "memory", "events": "branch", "neurons": 4},
    "narrow": {
        "lanes": 8,
        "registers": 4,
        "events": "multiply",
        "rows": "units",
        "bytes": "narrow",
        "leak": "wide",
        "line": "ring",
        "chunk": 8,
        "tile": 4,
    },
}
HOSTS = {"x86_64": "x86_64", "narrow": "x86_64"}  # targets of forms; else it is portable_c
IN_BYTES = ("words", "one word", "narrow")
WAYS = [(f, n) for f in FORMS for n in ("int16", "int8") if n == "int8" or f not in IN_BYTES]
# each network in int8 as a build has it, and in an eighth of the other ways, each way by turns: all
# pairs would compile for minutes and meet no other pair of rows and recurrence
MET = [
    pytest.param(cases.CASES[name], *way, id=f"{name}-{way[0]}-{way[1]}")
    for i, name in enumerate(cases.INTEGER)
    for k, way in enumerate(WAYS)
    if way == ("x86_64", "int8") or (i + k) % 8 == 0
]
STRICT = ["wide", "words", "memory"]  # each network in one of them
Assembled = Callable[..., Artifact]
pytestmark = pytest.mark.usefixtures("children_here")


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory, staged: Staged) -> Assembled:
    """`assembled(network, numeric, target, **schedule)`: an artifact, made in this process."""

    def make(network: Network, numeric: str, target: str, **schedule: object) -> Artifact:
        if not schedule:
            return staged(network, target, numeric=numeric)
        stage = tmp_path_factory.mktemp("integer")
        profile = targets.load(target)
        values = {**vars(profile.schedules[0].schedule), **schedule}
        changed = replace(profile, schedules=(Choice((), (), Schedule(**values)),))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(targets, "load", lambda _: changed)
            return artifact_here(network, target, stage, numeric=numeric)

    return make


def agree(runner: Runner, whole: IntegerNetwork, x: np.ndarray) -> int:
    """Outputs and spikes are those of the reference; returns how many spikes there were."""
    want, got = ReferenceRunner(whole).trace(x), runner.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)
    return sum(int(s.sum()) for s in want.spikes)


@pytest.mark.parametrize(("case", "form", "numeric"), MET)
def test_every_network_has_the_bits_of_the_reference(
    case: cases.Case, form: str, numeric: str, assembled: Assembled
) -> None:
    network = cases.network(case.name)
    artifact = assembled(network, numeric, HOSTS.get(form, "portable_c"), **FORMS[form])
    session = Session(artifact)
    assert session.self_test()
    whole = integer_checkpoint.load(artifact.path / integer_checkpoint.NAME)
    x = cases.counts(case)
    spikes = agree(session, whole, x)
    assert spikes > 0 or not sum(int(s.sum()) for s in ReferenceRunner(network).trace(x).spikes)
    # counts beyond max_input are taken as max_input, and many parts of a sum are required
    agree(session, whole, np.minimum(x * 60, 255))


@pytest.mark.parametrize("target", CHIPS)
@pytest.mark.parametrize("numeric", ["int16", "int8"])
def test_the_bits_of_the_reference_on_the_chip(
    numeric: str, target: str, assembled: Assembled
) -> None:
    if target == "cortex_m55" and not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    turns = 6 if numeric == "int8" else 12  # chips that a network meets: a sixth and a twelfth
    for name in cases.INTEGER_ON_CHIPS[CHIPS.index(target) % turns :: turns]:
        artifact = assembled(cases.network(name), numeric, target)
        whole = integer_checkpoint.load(artifact.path / integer_checkpoint.NAME)
        runner = emulated_runner(artifact)
        assert runner.self_test()
        assert agree(runner, whole, cases.counts(cases.CASES[name], steps=25)) > 0


def test_hundreds_of_spikes_at_once_keep_the_sums_of_a_word_apart(assembled: Assembled) -> None:
    """On a core whose instruction adds each half of a word by itself."""
    n, r = 600, np.random.default_rng(4)
    layer = Layer(r.normal(size=(n, 3)) / 8, np.full(n, 1.5), Lif(0.5))
    network = Network((layer,), LeakyReadout(r.normal(size=(5, n)) / 8, np.zeros(5), 0.5))
    artifact = assembled(network, "int8", "cortex_m4")
    whole = integer_checkpoint.load(artifact.path / integer_checkpoint.NAME)
    x = r.integers(0, 2, (3, 1, 3)).astype(np.float32)
    assert agree(emulated_runner(artifact), whole, x) > 3 * 512


@pytest.mark.parametrize("target", ["arm_cpu", "arm_cpu_v7"])
def test_shares_and_counts_on_neon(target: str, assembled: Assembled) -> None:
    """A leak for each neuron, from none to nearly all; counts in one part, and in many."""
    r, n = np.random.default_rng(9), 77
    lif = Lif(np.linspace(0, 0.99997, n).astype(np.float32))
    conv = ConvDelay(r.normal(size=5) / 2, r.integers(0, 9, n))
    layer = Layer(r.normal(size=(n, 40)) / 8, np.zeros(n), lif, conv)
    readout = LeakyReadout(r.normal(size=(5, n)) / 8, np.zeros(5), 0.97)
    network = Network((layer,), readout, max_input=50)
    x = r.poisson(0.5, (12, 2, 40)).astype(np.float32)
    x[:, 1] = np.minimum(x[:, 1] * 30, 60)
    for numeric in ("int8", "int16"):
        artifact = assembled(network, numeric, target)
        whole = integer_checkpoint.load(artifact.path / integer_checkpoint.NAME)
        assert agree(emulated_runner(artifact), whole, x) > 100


@settings(max_examples=2)
@given(seed=st.integers(0, 10**6))
def test_random_networks(seed: int, assembled: Assembled) -> None:
    rng = np.random.default_rng(seed)
    n, inputs = int(rng.integers(1, 40)), int(rng.integers(1, 60))
    delay = rng.integers(0, int(rng.integers(1, 40)), n)
    recurrence = (
        ConvDelay(rng.normal(size=int(rng.choice([1, 3, 5]))), delay)
        if rng.random() < 0.5
        else DenseDelay(rng.normal(size=(n, n)) * 0.4, delay)
    )
    lif = Lif(float(rng.random()), v_reset=float(-rng.random() * (rng.random() < 0.5)))
    layer = Layer(rng.normal(size=(n, inputs)), rng.normal(size=n) * 0.2, lif, recurrence)
    readout = LeakyReadout(rng.normal(size=(4, n)), rng.normal(size=4) * 0.1, float(rng.random()))
    network = Network((layer,), readout, name=f"random_{seed}")
    x = (rng.poisson(0.4, (40, 2, inputs)) * rng.integers(1, 9)).astype(np.float32)
    for numeric in ("int16", "int8"):
        whole = quantise(network, numeric)
        for form in ("x86_64", "words", "narrow"):
            target = HOSTS.get(form, "portable_c")
            artifact = assembled(network, numeric, target, **FORMS[form])
            agree(Session(artifact), whole, np.minimum(x, 255))


@pytest.mark.parametrize(
    ("name", "form"),
    [(name, STRICT[i % len(STRICT)]) for i, name in enumerate(cases.INTEGER_ON_CHIPS)],
)
def test_the_c_is_strict_and_stays_in_its_memory(
    name: str, form: str, assembled: Assembled, tmp_path: Path
) -> None:
    """No warning, and no finding of the sanitizers, in the self-test of int8."""
    artifact = assembled(cases.network(name), "int8", "portable_c", **FORMS[form])
    root = artifact.path
    files = [*root.glob("src/*.c"), *root.glob("test/*.c")]
    include = [f"-I{root / part}" for part in ("include", "src", "test")]
    strict = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
    sanitize = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    out = tmp_path / "selftest"
    toolchain.run_cc("-std=c99", *strict, *sanitize, *include, *files, "-o", out)
    done = subprocess.run([out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if name == "all_kinds":  # what only an optimiser warns of
        toolchain.run_cc("-std=c99", "-O2", *strict, *include, *files, "-o", out)


def test_words_hold_every_byte() -> None:
    rows = np.arange(-127, 128, dtype=np.int8)[:, None] * np.ones(7, np.int8)
    words = byte_rows.pack(rows)
    assert words.shape == (255, 2)
    four = words[:, :, None] >> (8 * np.arange(4)) & 255
    back = four[:, :, [0, 2, 1, 3]].reshape(255, 8).astype(int) - 128
    np.testing.assert_array_equal(back[:, :7], rows)
    assert (back[:, 7] == 0).all()


@pytest.mark.parametrize(
    ("target", "numeric", "most"),
    [
        ("cortex_m4", "int8", 21_500),
        ("cortex_m0plus", "int8", 56_000),
        ("cortex_m55", "int8", 8_800),
        ("arm_cpu", "int8", 7_000),
        ("arm_cpu_v7", "int8", 9_900),
        ("arm_cpu", "float32", 8_100),
        ("arm_cpu_v7", "float32", 11_200),
    ],
)
def test_instructions_of_the_bundled_network(
    target: str, numeric: str, most: int, tmp_path: Path
) -> None:
    """Counted exactly, on the first two bundled samples: no worse than hand-written kernels."""
    if target == "cortex_m55" and not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    artifact = build(checkpoint.load("conv_delay_256"), target, tmp_path / "a", numeric=numeric)
    proof = prove(artifact, limit=2)
    assert proof.check is not None
    assert proof.emulated is not None
    if numeric != "float32":
        assert proof.check["reference"] == "integer"
    assert proof.check["spikes"]["differing"] == 0
    assert proof.check["membrane"]["max_abs_error"] == 0.0
    assert proof.emulated["instructions_per_step"] <= most


def test_int8_fits_128_kb_of_flash_and_8_kb_of_ram(tmp_path: Path) -> None:
    """The STM32F100 of docs/targets.md: 128 KB and 8 KB; its image runs from reset in QEMU."""
    text = (Path(__file__).parents[2] / "docs" / "targets.md").read_text()
    profile = tmp_path / "stm32f100.toml"
    profile.write_text(text.split("```toml\n")[1].split("```")[0])
    artifact = build(
        checkpoint.load("conv_delay_256"), str(profile), tmp_path / "a", numeric="int8"
    )
    assert artifact.manifest.flash_bytes <= 116 << 10
    assert artifact.manifest.ram_bytes <= 7_168, "and 1 KB of stack"
    proof = prove(artifact, limit=2)
    assert proof.check is not None
    assert proof.check["passed"]
    if qemu.available():
        image = artifact.path / artifact.manifest.image
        assert qemu.run_image(image, artifact.manifest.board).status == 0


def test_accuracy_is_that_of_float(tmp_path: Path) -> None:
    """On the 100 bundled samples, where a sample is a whole point."""
    artifact = build(checkpoint.load("conv_delay_256"), "x86_64", tmp_path / "a", numeric="int8")
    proof = prove(artifact, timed=False)
    assert proof.check is not None
    assert proof.check["spikes"]["compared"] == 100 * 80 * 512
    assert proof.check["spikes"]["differing"] == 0
    against = proof.check["against_float"]
    assert against["accuracy"] == 0.85
    assert abs(proof.check["accuracy"] - against["accuracy"]) * 100 <= 1.01
    assert against["spikes_differing"] / proof.check["spikes"]["compared"] < 0.005


def test_a_changed_table_is_found(tmp_path: Path) -> None:
    network = cases.network("mixed")
    artifact = build(network, "portable_c", tmp_path / "a", numeric="int8")
    whole = integer_checkpoint.load(artifact.path / integer_checkpoint.NAME)
    tables = artifact.path / "src" / f"{network.name}_tables.c"
    text = tables.read_text()
    at = text.index("{", text.index("_out_bias[")) + 1
    tables.write_text(f"{text[:at]} 1 + {text[at:]}")
    manifest = json.loads((artifact.path / "manifest.json").read_text())
    manifest["files"][f"src/{network.name}_tables.c"] = hashlib.sha256(
        tables.read_bytes()
    ).hexdigest()
    del manifest[SEAL]
    (artifact.path / "manifest.json").write_text(json.dumps(manifest))
    artifact = load_artifact(artifact.path)
    x = cases.counts(cases.CASES["mixed"])
    want, got = ReferenceRunner(whole).trace(x), Session(artifact).trace(x)
    assert not np.array_equal(got.y, want.y)
    with pytest.raises(ParityError, match=r"self-test|differs from the integer reference"):
        prove(artifact, timed=False)


def test_refusals(tmp_path: Path) -> None:
    network = cases.network("mixed")
    with refusal(UnsupportedError, "no numeric mode 'int4'; allowed: float32, int16, int8", 4):
        build(network, "x86_64", tmp_path / "a", numeric="int4")
    with refusal(
        UnsupportedError,
        "schedule: bytes = 'bits'; allowed: wide, narrow, biased, words, memory",
        4,
    ):
        Schedule(bytes="bits")
    with refusal(UnsupportedError, "schedule: words = 0; 1 or more is required", 4):
        Schedule(words=0)
    checkpoint.save(network, tmp_path / "net.safetensors")
    with refusal(CheckpointError, "is not an integer network .format 'delrec.network/1'", 3):
        integer_checkpoint.load(tmp_path / "net.safetensors")
    with refusal(CheckpointError, "no such file; build the artifact again", 3):
        integer_checkpoint.load(tmp_path / "none.safetensors")


def test_the_command_builds_runs_and_benches_int8(tmp_path: Path) -> None:
    def told(*arguments: object) -> dict[str, object]:
        found: dict[str, object] = json.loads(ok_here(*arguments, "--json"))
        return found

    folder = tmp_path / "a"
    built = told("build", "--numeric", "int8", "-o", folder, "--limit", 3)
    assert built["numeric"] == "int8"
    check = told("check", folder, "--limit", 3)
    assert check["reference"] == "integer"
    assert check["passed"] is True
    assert set(check["against_float"]) == {"accuracy", "spikes_differing", "classes_differing"}  # type: ignore[call-overload]
    bench = told("bench", folder, "--rounds", 1, "--rows", "onnxruntime")
    assert [row["name"] for row in bench["rows"]] == ["ours", "onnxruntime"]  # type: ignore[attr-defined]
    assert len(told("run", folder, "--limit", 2)["classes"]) == 2  # type: ignore[arg-type]
