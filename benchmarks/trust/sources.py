"""Rows 18 and 21: the generated C under strict compilers, and sizes beside those of other tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import drawn, drawn_graphs
from benchmarks.staged import artifact_here
from benchmarks.trust import made
from benchmarks.trust.row import Result, Scale
from delrec_compile.network.integer.quantise import quantise

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow")
STRICT = (*WARNINGS, "-Wvla", "-Werror", "-O2", "-c", "-o", "/dev/null")
HEAP = re.compile(r"\b(malloc|calloc|realloc|free|alloca)\s*\(")


def strict(folder: Path, scale: Scale) -> Result:
    """Sources of drawn networks and graphs: no warning, no finding, no heap; the header is C++ too."""
    result = Result()
    for seed in range(scale.of(60, 2)):
        for network in (drawn.network(seed), drawn_graphs.graph(seed)):
            whole = None
            if seed % 2 and network.real_input is None:
                whole = quantise(network, "int8")
            stage = folder / f"strict-{result.tried}"
            artifact_here(network, "portable_c", stage, whole)
            for file in sorted((stage / "src").glob("*.c")):
                for name, command in _tools():
                    include = [f"-I{stage / part}" for part in ("include", "src")]
                    done = subprocess.run(
                        [*command, *include, str(file)], capture_output=True, text=True, check=False
                    )
                    said = f"{name} on {network.name}/{file.name}: {done.stderr[:300]}"
                    fault = said if done.returncode else None
                    result.count(f"{name}: {'clean' if fault is None else 'finding'}", fault)
                found = HEAP.findall(file.read_text())
                result.count("no heap", f"{file.name} calls {found[0]}" if found else None)
            header = next((stage / "include").glob("*.h"))
            command = ["g++", "-std=c++17", *WARNINGS, "-Werror", "-fsyntax-only", "-x", "c++"]
            done = subprocess.run([*command, header], capture_output=True, text=True, check=False)
            result.count("header as C++", done.stderr[:300] if done.returncode else None)
    return result


def _tools() -> Iterator[tuple[str, Sequence[str]]]:
    """gcc's warnings and analyzer, and what else is installed of clang and cppcheck."""
    yield "gcc", ("gcc", "-std=c11", *STRICT)
    yield (
        "gcc -fanalyzer",
        ("gcc", "-std=c11", "-fanalyzer", "-Werror", "-O1", "-c", "-o", "/dev/null"),
    )
    if shutil.which("clang"):
        yield "clang", ("clang", "-std=c11", *STRICT)
    if shutil.which("cppcheck"):
        exhaustive = ("--error-exitcode=1", "--enable=warning,portability", "--quiet")
        yield "cppcheck", ("cppcheck", *exhaustive, "--suppress=missingInclude")


def sizes(folder: Path, scale: Scale) -> Result:
    """Flash and RAM that a manifest tells, beside those of GNU size on the same image."""
    result = Result()
    for seed in range(scale.of(6, 1)):
        for target, numeric in (("cortex_m4", "float32"), ("cortex_m0plus", "int8")):
            network = drawn.network(seed)
            if numeric == "int8" and network.real_input is not None:
                continue
            artifact = made.artifact(folder, network, target, numeric)
            manifest = artifact.manifest
            assert manifest.image is not None
            text, data, bss = _size(artifact.path / manifest.image)
            told = (manifest.flash_bytes, manifest.ram_bytes)
            fault = None
            if told != (text + data, data + bss):
                fault = (
                    f"{network.name} on {target}: told {told}, size says {text + data, data + bss}"
                )
            result.count("equal" if fault is None else "differs", fault)
    return result


def _size(image: Path) -> tuple[int, int, int]:
    """Bytes of code, of variables with a value and without; the reserve for the stack left out."""
    done = subprocess.run(["size", "-B", image], capture_output=True, text=True, check=True)
    text, data, bss = map(int, done.stdout.splitlines()[1].split()[:3])
    each = subprocess.run(["size", "-A", image], capture_output=True, text=True, check=True)
    reserve = re.search(r"^\.stack\s+(\d+)", each.stdout, re.MULTILINE)
    return text, data, bss - (int(reserve[1]) if reserve else 0)
