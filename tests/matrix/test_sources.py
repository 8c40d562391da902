"""The C sources artifact: the same bits as the reference, strict C, and every way to build it."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cases
import numpy as np
import pytest

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.build import build
from delrec_compile.network import checkpoint
from delrec_compile.runners.memory import pointer
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import toolchain

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror"]
STRICTER = [*STRICT, "-Wsign-conversion", "-Wshadow", "-Wvla", "-Wundef", "-Wstrict-prototypes"]
NAME = "conv_delay_256"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    network = checkpoint.load(NAME)
    return build(network, "portable_c", tmp_path_factory.mktemp("sources") / "c")


@pytest.mark.parametrize("case", cases.CASES.values(), ids=str)
def test_every_network_has_the_bits_of_torch(
    case: cases.Case, compiled: Callable[..., Session]
) -> None:
    network = cases.network(case.name)
    x = cases.counts(case)
    want, got = TorchRunner(network).trace(x), compiled(network, target="portable_c").trace(x)
    if case.exact:
        np.testing.assert_array_equal(got.y, want.y)
        for have, wanted in zip(got.spikes, want.spikes, strict=True):
            np.testing.assert_array_equal(have, wanted)
    else:
        np.testing.assert_allclose(got.y, want.y, atol=1e-3)


FORMS = [*((n, "float32") for n in cases.CASES), *((n, "int8") for n in cases.INTEGER[::6])]


@pytest.mark.parametrize(("name", "numeric"), FORMS)
def test_nothing_that_is_generated_is_unused_or_converted_in_silence(
    name: str, numeric: str, compiled: Callable[..., Session]
) -> None:
    """No parameter, variable, table or function; of library and tests alike."""
    folder = compiled(cases.network(name), target="portable_c", numeric=numeric).artifact.path
    files = [*(folder / "src").glob("*.c"), *(folder / "test").glob("*.c")]
    include = [f"-I{folder / part}" for part in ("include", "src", "test")]
    strictest = [*STRICTER, "-Wunused-macros"]
    command = [*toolchain.cc(), "-std=c99", "-fsyntax-only", *strictest, *include, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr[:2000]
    for file in files:
        assert not uncalled(file.read_text()), file


def uncalled(text: str) -> set[str]:
    """Inline functions that nothing calls, of which not all compilers warn."""
    defined = Counter(re.findall(r"^static inline [\w *]*?(\w+)\(", text, re.M))
    words = Counter(re.findall(r"\w+", text))
    return {name for name, times in defined.items() if words[name] == times}


def copied(sources: Artifact, to: Path) -> Path:
    shutil.copytree(sources.path, to)
    return to


def test_strict_c99_without_a_warning_and_the_self_test_passes(
    sources: Artifact, tmp_path: Path
) -> None:
    folder = copied(sources, tmp_path / "c")
    make = ["make", "-C", folder, "selftest", f"CFLAGS=-O2 {' '.join(STRICT)}"]
    done = subprocess.run(make, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "self-test passed" in done.stdout


def test_the_self_test_finds_one_wrong_weight(sources: Artifact, tmp_path: Path) -> None:
    folder = copied(sources, tmp_path / "c")
    tables = folder / "src" / f"{NAME}_tables.c"
    text = tables.read_text()
    at = text.index("{", text.index(f"{NAME}_out_bias")) + 1
    tables.write_text(text[:at] + "1.0f + " + text[at:])
    done = subprocess.run(["make", "-C", folder, "selftest"], capture_output=True, check=False)
    assert done.returncode != 0


def test_header_is_fit_for_cpp(sources: Artifact, tmp_path: Path) -> None:
    program = tmp_path / "main.cpp"
    program.write_text(
        f'#include "{NAME}.h"\n'
        f"int main() {{ static {NAME}_state s; {NAME}_reset(&s); return 0; }}\n"
    )
    command = [*toolchain.cc(), "-x", "c++", "-std=c++17", *STRICT, "-c", program]
    include = f"-I{sources.path / 'include'}"
    subprocess.run([*command, include, "-o", tmp_path / "main.o"], check=True)


def test_only_freestanding_headers_no_heap_and_no_stray_symbol(
    sources: Artifact, tmp_path: Path
) -> None:
    allowed = {"stdint.h", "stdbool.h", "stddef.h", "float.h"}
    for file in (sources.path / "src").glob("*.[ch]"):
        lines = [s for s in file.read_text().splitlines() if s.startswith("#include <")]
        assert {s.split("<")[1].rstrip(">") for s in lines} <= allowed, file
    objects = []
    for file in sorted((sources.path / "src").glob("*.c")):
        objects.append(tmp_path / f"{file.stem}.o")
        flags = ["-std=c99", "-O2", "-ffreestanding", f"-I{sources.path / 'include'}"]
        subprocess.run([*toolchain.cc(), *flags, "-c", file, "-o", objects[-1]], check=True)
    out = subprocess.run(["nm", "-u", *objects], capture_output=True, text=True, check=True).stdout
    wanted = {s.split()[-1] for s in out.splitlines() if " U " in s}
    assert {w for w in wanted if not w.startswith(NAME)} <= {"memset", "memcpy"}


def test_step_events_is_step(sources: Artifact) -> None:
    session = Session(sources)
    library = session._lib
    r = np.random.default_rng(0)
    counts = r.poisson(0.3, (30, 140)).astype(np.uint8)
    want = session.run(counts)
    session.reset()
    y = np.zeros(20, np.float32)
    for t, row in enumerate(counts):
        index = np.repeat(np.arange(140), row).astype(np.uint16)
        r.shuffle(index)
        status = library[f"{NAME}_step_events"](
            session._state_at, pointer(index), ctypes.c_int32(len(index)), pointer(y)
        )
        assert status == 0
        np.testing.assert_array_equal(y, want[t])


def test_step_events_refuses_what_it_cannot_count(sources: Artifact) -> None:
    session = Session(sources)
    events = session._lib[f"{NAME}_step_events"]
    y = np.zeros(20, np.float32)
    for index in ([140], [3] * 256):
        array = np.array(index, np.uint16)
        size = ctypes.c_int32(len(array))
        assert events(session._state_at, pointer(array), size, pointer(y)) == -1
    null = ctypes.c_void_p(None)
    assert events(session._state_at, null, ctypes.c_int32(1), pointer(y)) == -1


def test_cmake_builds_and_passes_where_there_is_one(sources: Artifact, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed here")
    folder = copied(sources, tmp_path / "c")
    for command in (
        ["cmake", "-S", folder, "-B", tmp_path / "b"],
        ["cmake", "--build", tmp_path / "b", "--target", f"{NAME}_selftest"],
    ):
        subprocess.run(command, check=True, capture_output=True)
    subprocess.run([tmp_path / "b" / f"{NAME}_selftest"], check=True)


def test_library_descriptions_are_whole(sources: Artifact) -> None:
    assert json.loads((sources.path / "library.json").read_text())["name"] == NAME
    assert (sources.path / "zephyr" / "module.yml").read_text().startswith(f"name: {NAME}")
    assert sources.library is None
    assert sources.manifest.is_sources


def test_sanitizers_find_nothing(sources: Artifact, tmp_path: Path) -> None:
    """Undefined behaviour and out-of-bounds access, over the golden vectors."""
    compiler = toolchain.cc()
    folder = sources.path
    files = [*sorted((folder / "src").glob("*.c")), *sorted((folder / "test").glob("*.c"))]
    include = [f"-I{folder / part}" for part in ("include", "src", "test")]
    flags = ["-std=c99", "-g", "-O1", "-ffp-contract=off", "-fsanitize=address,undefined"]
    program = tmp_path / "checked"
    trap = "-fno-sanitize-recover=all"
    subprocess.run([*compiler, *flags, trap, *include, *files, "-o", program], check=True)
    subprocess.run([program], check=True)
