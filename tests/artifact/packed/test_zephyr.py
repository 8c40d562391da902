"""The Zephyr module: its description, what its CMake compiles, its C on a chip."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fixtures.unzipped import STRICT, self_test, unzipped
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.artifact.packed import zephyr
from delrec_compile.artifact.packed.contents import Contents
from delrec_compile.errors import UnsupportedError
from delrec_compile.system.toolchain import cc, run_tool

cmake = pytest.importorskip("cmake")
Built = Callable[[str], Artifact]
# Zephyr's own functions, which say what they were given
FUNCTIONS = """\
cmake_minimum_required(VERSION 3.20)
project(app NONE)
foreach(name zephyr_library_named zephyr_library_sources zephyr_library_compile_options
        zephyr_include_directories)
    function(${name})
        message(NOTICE "${CMAKE_CURRENT_FUNCTION} ${ARGN}")
    endfunction()
endforeach()
add_subdirectory(${MODULE} module)
"""
HEADERS = {
    "zephyr/kernel.h": "#define K_USEC(n) (n)\nvoid k_sleep(int);\n",
    "zephyr/sys/printk.h": "void printk(const char *, ...) __attribute__((format(printf, 1, 2)));\n",
}


def module(built: Built, folder: Path) -> Path:
    name, raw = zephyr.pack(Contents.of(built("portable_c")))
    assert name == "conv3-zephyr.zip"
    return unzipped(raw, folder / "unzipped")


def asked(root: Path, work: Path, *options: str) -> dict[str, list[str]]:
    """The words that each of Zephyr's functions is given."""
    work.mkdir()
    (work / "CMakeLists.txt").write_text(FUNCTIONS)
    command = (str(Path(cmake.CMAKE_BIN_DIR) / "cmake"), "-S", str(work), "-B", str(work / "b"))
    done = subprocess.run(
        [*command, f"-DMODULE={root / 'zephyr'}", *options],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split(" ") for line in done.stderr.splitlines() if line.startswith("zephyr_")]
    return {name: ";".join(words).split(";") for name, *words in lines}


def test_the_module_compiles_its_files_and_runs(built: Built, tmp_path: Path) -> None:
    root = module(built, tmp_path)
    described = yaml.safe_load((root / "zephyr" / "module.yml").read_text())
    assert described == {
        "name": "conv3",
        "build": {"cmake": "zephyr", "kconfig": "zephyr/Kconfig"},
    }
    assert "config DELREC_CONV3\n" in (root / "zephyr" / "Kconfig").read_text()
    given = asked(root, tmp_path / "on", "-DCONFIG_DELREC_CONV3=y")
    assert given["zephyr_library_compile_options"] == ["-ffp-contract=off"]
    sources = [(root / "zephyr" / s).resolve() for s in given["zephyr_library_sources"]]
    assert sorted(sources) == sorted((root / "src").glob("*.c"))
    (include,) = given["zephyr_include_directories"]
    assert self_test(sources, root / "zephyr" / include, "conv3", tmp_path) == 0
    assert asked(root, tmp_path / "off") == {}


def test_a_front_end_is_compiled_too(listening: Built, tmp_path: Path) -> None:
    root = unzipped(zephyr.pack(Contents.of(listening("portable_c")))[1], tmp_path / "unzipped")
    given = asked(root, tmp_path / "on", "-DCONFIG_DELREC_CONV3=y")
    sources = [(root / "zephyr" / s).resolve() for s in given["zephyr_library_sources"]]
    assert sorted(sources) == sorted((root / "src").glob("*.c"))
    assert (root / "include" / "conv3_frontend.h").is_file()
    assert "conv3_frontend.h` takes sound" in (root / "README.md").read_text()


def test_the_sample_compiles(built: Built, tmp_path: Path) -> None:
    root = module(built, tmp_path)
    for path, text in HEADERS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    sample = root / "samples" / "classify"
    options = ("-std=c11", *STRICT, "-fsyntax-only", f"-I{tmp_path}", f"-I{root / 'include'}")
    run_tool([*cc(), *options, str(sample / "src" / "main.c")])
    assert "CONFIG_DELREC_CONV3=y" in (sample / "prj.conf").read_text()
    assert yaml.safe_load((sample / "sample.yaml").read_text())["tests"]


def test_a_library_is_refused(built: Built) -> None:
    with refusal(UnsupportedError, "holds no C sources for a Zephyr module; build it for", 4):
        zephyr.pack(Contents.of(built("x86_64")))
