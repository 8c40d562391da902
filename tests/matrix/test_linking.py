"""Artifacts in other programs: the self-test links from every build system, two networks keep apart."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from numpy.typing import NDArray

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.build import build
from delrec_compile.errors import UsageError
from delrec_compile.network.model import Network
from delrec_compile.ops.readout import decide
from delrec_compile.system import toolchain

pytestmark = pytest.mark.usefixtures("children_here")

Build = Callable[..., Artifact]
CALLS = '#include "{0}.h"\nint main(void) {{ return {0}_self_test(); }}\n'
STEPS = '#include "{0}.h"\nint main(void) {{ static {0}_state s; {0}_reset(&s); return 0; }}\n'


def labelled(case: str) -> Network:
    network = cases.network(case)
    return replace(network, labels=tuple(f"word{k}" for k in range(network.readout.size)))


def outputs(network: Network, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """y (T, outputs) of the reference, from x (T, inputs)."""
    state, out = network.reset(), []
    for counts in x:
        y, state = network.step(counts[None], state)
        out.append(y[0])
    return np.array(out, np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """`made(case, target, name="one", numeric=...)`: an artifact, built once."""
    built: dict[tuple[str, ...], Artifact] = {}

    def make(case: str, target: str, name: str = "one", numeric: str = "float32") -> Artifact:
        key = (case, target, name, numeric)
        if key not in built:
            out = tmp_path_factory.mktemp(name) / "artifact"
            options = {"name": name, "numeric": numeric, "tuned": False}
            built[key] = build(labelled(case), target, out, **options)
        return built[key]

    return make


def run(*command: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """With the tools that lie beside this Python on the path."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def passes(*command: str | Path, folder: Path | None = None) -> None:
    done = run(*command, folder=folder)
    assert done.returncode == 0, done.stderr[-2000:]


def program(text: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "main.c"
    file.write_text(text)
    return file


def objects(artifact: Artifact, out: Path, files: Sequence[Path]) -> list[Path]:
    """Each file compiled by itself, as build systems do that are not here."""
    out.mkdir()
    made = []
    for file in files:
        made.append(out / f"{file.stem}.o")
        flags = ["-std=c99", "-O2", "-ffunction-sections", "-fdata-sections"]
        include = f"-I{artifact.path / 'include'}"
        passes(*toolchain.cc(), *flags, include, "-c", file, "-o", made[-1])
    return made


@pytest.mark.parametrize("kind", ["so", "a"])
def test_the_self_test_of_a_library(kind: str, made: Build, tmp_path: Path) -> None:
    artifact = made("conv3", "x86_64")
    main = program(CALLS.format("one"), tmp_path)
    lib = artifact.path / "lib"
    linked = [lib / "libone.a"] if kind == "a" else [f"-L{lib}", "-lone", f"-Wl,-rpath,{lib}"]
    passes(*toolchain.cc(), f"-I{artifact.path / 'include'}", main, *linked, "-o", tmp_path / "p")
    passes(tmp_path / "p")


def test_the_self_test_of_make_and_of_files_alone(made: Build, tmp_path: Path) -> None:
    artifact = made("conv3", "portable_c")
    folder = shutil.copytree(artifact.path, tmp_path / "c")
    main = program(CALLS.format("one"), tmp_path)
    passes("make", "-C", folder)
    include = f"-I{folder / 'include'}"
    passes(*toolchain.cc(), include, main, folder / "libone.a", "-o", tmp_path / "p")
    passes(tmp_path / "p")
    described = json.loads((folder / "library.json").read_text())["build"]
    sources = sorted((folder / described["srcDir"]).glob("*.c"))
    zephyr = (folder / "zephyr" / "CMakeLists.txt").read_text()
    assert all(f"../src/{s.name}" in zephyr for s in sources)
    compiled = objects(artifact, tmp_path / "o", sources)
    passes(*toolchain.cc(), include, main, *compiled, "-o", tmp_path / "q")
    passes(tmp_path / "q")


def test_a_program_that_does_not_call_the_self_test_does_not_hold_it(
    made: Build, tmp_path: Path
) -> None:
    artifact = made("conv3", "portable_c")
    compiled = objects(artifact, tmp_path / "o", sorted((artifact.path / "src").glob("*.c")))
    main = program(STEPS.format("one"), tmp_path)
    include = f"-I{artifact.path / 'include'}"
    linked = tmp_path / "p"
    passes(*toolchain.cc(), include, main, *compiled, "-Wl,--gc-sections", "-o", linked)
    symbols = run("nm", linked).stdout
    assert "one_reset" in symbols
    assert not {"one_self_test", "one_test_state", "golden_output"} & {*symbols.split()}


FETCH = """\
include(FetchContent)
FetchContent_Declare(one URL https://example.invalid/one.tar.gz) # from the folder that is given
FetchContent_MakeAvailable(one)
"""


def test_cmake_fetches_installs_and_finds(made: Build, tmp_path: Path) -> None:
    artifact, library = made("conv3", "portable_c"), made("conv3", "x86_64").path
    given = f"-DFETCHCONTENT_SOURCE_DIR_ONE={artifact.path}"
    install, head = tmp_path / "installed", "cmake_minimum_required(VERSION 3.14)\nproject(app C)\n"
    passes("cmake", "-S", artifact.path, "-B", tmp_path / "b", f"-DCMAKE_INSTALL_PREFIX={install}")
    passes("cmake", "--build", tmp_path / "b", "--target", "install")
    for how, prefix, line in (
        ("found", install, "find_package(one 0.1 REQUIRED CONFIG)"),
        ("built", library, "find_package(one 0.1 REQUIRED CONFIG)"),
        ("fetched", "", FETCH),
    ):
        folder = program(CALLS.format("one"), tmp_path / how).parent
        app = "add_executable(app main.c)\ntarget_link_libraries(app PRIVATE delrec::one)\n"
        (folder / "CMakeLists.txt").write_text(f"{head}{line}\n{app}")
        passes("cmake", "-S", folder, "-B", folder / "b", f"-DCMAKE_PREFIX_PATH={prefix}", given)
        passes("cmake", "--build", folder / "b")
        passes(folder / "b" / "app")


def test_meson_builds_tests_and_describes(made: Build, tmp_path: Path) -> None:
    folder = shutil.copytree(made("conv3", "portable_c").path, tmp_path / "one")
    build, install = tmp_path / "b", tmp_path / "installed"
    pytest.importorskip("mesonbuild")
    meson = (sys.executable, "-m", "mesonbuild.mesonmain")
    passes(*meson, "setup", build, folder, f"--prefix={install}", "--libdir=lib")
    passes(*meson, "test", "-C", build)
    passes(*meson, "install", "-C", build)
    installed = {str(p.relative_to(install)) for p in install.rglob("*") if p.is_file()}
    headers = {"include/one.h", "include/one.hpp"}
    assert installed == {*headers, "lib/libone.a", "lib/pkgconfig/one.pc"}


BOTH = """\
#include "one.h"
#include "two.h"
#include <stdio.h>
int main(void)
{
    printf("%d %d %d", ONE_INPUTS, TWO_INPUTS, one_self_test() + two_self_test());
    return 0;
}
"""


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
def test_two_networks_in_one_program(target: str, made: Build, tmp_path: Path) -> None:
    one = made("conv3", target)
    two = made("mixed", target, "two", "int8")
    main = program(BOTH, tmp_path)
    include = [f"-I{a.path / 'include'}" for a in (one, two)]
    linked: list[Path] = []
    for a in (one, two):
        if target == "x86_64":
            linked.append(a.path / str(a.manifest.static_library))
        else:
            sources = sorted((a.path / "src").glob("*.c"))
            linked += objects(a, tmp_path / f"{a.manifest.name}.o", sources)
    passes(*toolchain.cc(), *include, main, *linked, "-o", tmp_path / "p")
    sizes = (one.manifest.inputs, two.manifest.inputs)
    assert run(tmp_path / "p").stdout == f"{sizes[0]} {sizes[1]} 0"


@pytest.mark.parametrize(
    ("other", "numeric"), [("mixed", "float32"), ("conv3", "int8")], ids=["network", "numeric"]
)
def test_two_of_one_name_do_not_get_into_one_program(
    other: str, numeric: str, made: Build, tmp_path: Path
) -> None:
    """Neither included together nor, each by a file of its own, linked together."""
    pair = (made("conv3", "x86_64"), made(other, "x86_64", "one", numeric))
    heads = [a.path / "include" / "one.h" for a in pair]
    both = tmp_path / "both.c"
    both.write_text(f'#include "{heads[0]}"\n#include "{heads[1]}"\n')
    done = run(*toolchain.cc(), "-c", both, "-o", tmp_path / "both.o")
    assert "two different artifacts are named one" in done.stderr
    parts = []
    for i, head in enumerate(heads):
        part = tmp_path / f"part{i}.c"
        call = "int main(void)" if i == 0 else "int part(void)"
        part.write_text(f'#include "{head}"\n{call} {{ return one_self_test(); }}\n')
        parts.append(part)
    libraries = [a.path / "lib" / "libone.a" for a in pair]
    assert run(*toolchain.cc(), *parts, *libraries, "-o", tmp_path / "p").returncode != 0
    assert run(*toolchain.cc(), *parts, libraries[0], "-o", tmp_path / "p").returncode != 0
    shared = [a.path / "lib" / "libone.so" for a in pair]
    paths = [f"-Wl,-rpath,{s.parent}" for s in shared]
    done = run(*toolchain.cc(), *parts, *shared, *paths, "-o", tmp_path / "q")
    assert done.returncode != 0 or run(tmp_path / "q").returncode not in (0, 1)


@pytest.mark.parametrize("name", ["a" * 300, "two words", "1st", "", "_x", "test", "caf\u00e9"])
def test_a_name_that_c_does_not_take_is_refused_before_anything_is_made(
    name: str, tmp_path: Path
) -> None:
    network: Network = replace(cases.network("conv3"), notes={})
    with pytest.raises(UsageError, match="name"):
        build(network, "x86_64", tmp_path / "out", name=name)
    assert not any(tmp_path.iterdir())


def test_the_example_calls_the_webassembly(made: Build) -> None:
    """The program of docs/, in Node, gives the outputs of the reference."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed here")
    artifact = made("conv3", "wasm32")
    m = artifact.manifest
    example = Path(__file__).parents[2] / "docs" / "example_wasm.mjs"
    module = artifact.path / str(m.image)
    done = run("node", example, module, "one", str(m.inputs), str(m.outputs))
    assert done.returncode == 0, done.stderr
    network = cases.network("conv3")
    want, _ = network.step(np.ones((1, m.inputs), np.float32), network.reset())
    np.testing.assert_array_equal(np.array(json.loads(done.stdout), np.float32), want[0])


def test_arduino_finds_the_header(made: Build, tmp_path: Path) -> None:
    """It compiles every file of src/ with src/ alone on its include path."""
    folder = made("conv3", "portable_c").path
    described = dict(
        s.split("=") for s in (folder / "library.properties").read_text().split("\n") if s
    )
    assert (folder / "src" / described["includes"]).is_file()
    main = tmp_path / "main.cpp"
    main.write_text(
        f"#include <{described['includes']}>\nint main() {{ return one_self_test(); }}\n"
    )
    made_objects = []
    for file in (main, *sorted((folder / "src").glob("*.c"))):
        made_objects.append(tmp_path / f"{file.stem}.o")
        passes(*toolchain.cc(), f"-I{folder / 'src'}", "-c", file, "-o", made_objects[-1])
    passes(*toolchain.cc(), *made_objects, "-o", tmp_path / "p")
    passes(tmp_path / "p")


CPP = """\
#include "one.hpp"
#include <cstdio>
#include <vector>
int main()
{
    using stream = delrec::one_stream;
    static stream one, other;
    std::vector<stream::input_t> x;
    for (unsigned count; std::scanf("%u", &count) == 1;) {
        x.push_back(static_cast<stream::input_t>(count));
    }
    std::vector<float> y(x.size() / stream::inputs * stream::outputs);
    stream::input_t none[stream::inputs - 1] = {};
    float first[stream::outputs];
    if (stream::self_test() != 0 || one.step(none, first) || one.decision() != -1 || !one.run(x, y)) {
        return 1;
    }
    other = one;
    one.reset();
    if (!one.step({x.data(), stream::inputs}, first) || first[0] != y[0]) {
        return 2;
    }
    for (const float value : y) {
        std::printf("%a ", static_cast<double>(value));
    }
    std::printf("%d %s", static_cast<int>(other.decision()), stream::label(0));
}
"""


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
def test_a_stream_in_cpp(target: str, made: Build, tmp_path: Path) -> None:
    """Strict C++17 of each compiler that is here gives the outputs and the class of the reference."""
    pytest.importorskip("ziglang")
    network, artifact = labelled("conv3"), made("conv3", target)
    x = np.random.default_rng(5).poisson(0.5, (12, network.inputs)).astype(np.float32)
    want = outputs(network, x)
    main = tmp_path / "main.cpp"
    main.write_text(CPP)
    folder = artifact.path
    parts = [folder / "lib" / "libone.a"]
    if target == "portable_c":
        parts = objects(artifact, tmp_path / "o", sorted((folder / "src").glob("*.c")))
    strict = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{folder / 'include'}")
    zig = (sys.executable, "-m", "ziglang", "c++")
    passes(*zig, *strict, "-c", main, "-o", tmp_path / "main.o")
    passes(*(("g++",) if shutil.which("g++") else zig), *strict, main, *parts, "-o", tmp_path / "p")
    typed = " ".join(str(int(count)) for count in x.ravel())
    done = subprocess.run([tmp_path / "p"], input=typed, capture_output=True, text=True, check=True)
    *y, decided, label = done.stdout.split()
    np.testing.assert_array_equal([float.fromhex(v) for v in y], want.ravel())
    assert int(decided) == decide(network.readout.decision, want[:, None])[0]
    assert label == network.labels[0]
