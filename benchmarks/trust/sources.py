"""Rows 18 and 21: the generated C under strict compilers, and sizes beside those of other tools."""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from benchmarks import drawn
from benchmarks.trust import made
from benchmarks.trust.memory import drawn_artifacts
from benchmarks.trust.row import Result, Scale

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow")
STRICT = (*WARNINGS, "-Wvla", "-Wundef", "-Wstrict-prototypes", "-Werror")
ALONE = ("-c", "-o", "/dev/null")
# loops that fill an array it does not follow: reads are watched where the golden vectors run
ANALYZER = ("-std=c11", "-fanalyzer", "-Wno-analyzer-use-of-uninitialized-value", "-Werror", "-O1")
WATCHED = ("clang", "-g", "-fsanitize=memory", "-fno-sanitize-recover=all")
# of clang's every warning, those that are not kept, and why
BUT = (
    "-Wno-declaration-after-statement",  # C99 has them
    "-Wno-missing-prototypes",  # kernels are declared where they are called
    "-Wno-unsafe-buffer-usage",  # of C++: every access through a pointer
    "-Wno-bad-function-cast",  # a sum becomes a float where it is made
    "-Wno-float-equal",  # inputs that are those of the step before change no sum
    "-Wno-padded",  # the score of a class: it is not kept in files
    "-Wno-unknown-warning-option",  # that an older clang has not
)
CPPCHECK = (
    "--error-exitcode=1",
    "--enable=warning,portability",
    "--quiet",
    "--suppress=missingInclude",
    "--suppress=shiftTooManyBitsSigned",  # `>>` of a negative number keeps its sign everywhere
    "--suppress=shiftNegativeLHS",
    "--suppress=invalidPointerCast",  # memory of one type after another: each is read as it was written
    "--suppress=uninitvar",  # as of the analyzer: loops that fill an array it does not follow
)
SECONDS = 20  # CPU time of cppcheck on a file: some large steps would take it hours
HEAP = re.compile(r"\b(malloc|calloc|realloc|free|alloca)\s*\(")


def strict(folder: Path, scale: Scale) -> Result:
    """Sources of drawn networks and graphs: no warning, no finding, no heap; the header is C++ too; the
    bits of the golden vectors with every compiler that is here, and no read of what was not written.
    """
    result = Result()
    for _, name, artifact in drawn_artifacts(scale.of(60, 1), folder):
        stage = artifact.path
        include = [f"-I{stage / part}" for part in ("include", "src", "test")]
        for file in sorted((stage / "src").glob("*.c")):
            for tool, command in _tools():
                said = _said([*command, *include, str(file)])
                if said == f"exit code {-signal.SIGKILL}":
                    result.count(f"{tool}: no answer in {SECONDS} s")
                    continue
                fault = f"{tool} on {name}, {file.name}: {said[:300]}" if said else None
                result.count(f"{tool}: {'finding' if said else 'clean'}", fault)
            found = HEAP.findall(file.read_text())
            result.count("no heap", f"{file.name} calls {found[0]}" if found else None)
        for header in (stage / "include").glob("*.h*"):
            command = ["g++", "-std=c++17", *WARNINGS, "-Werror", "-fsyntax-only", "-x", "c++"]
            said = _said([*command, *include, str(header)])
            result.count("header as C++", f"{name}: {said[:300]}" if said else None)
        files = [*map(str, (stage / "src").glob("*.c")), *map(str, (stage / "test").glob("*.c"))]
        program = stage / "golden"
        for clean, compiler in _compilers():
            built = _said([*compiler, "-std=c99", "-O2", *include, *files, "-o", str(program)])
            said = built or _said([str(program)])
            fault = f"{compiler} on {name}: {said[:300]}" if said else None
            result.count(clean if fault is None else f"not {clean}", fault)
    return result


def _said(command: Sequence[str]) -> str:
    """What a command that fails says; empty where it does not."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stderr or f"exit code {done.returncode}") if done.returncode else ""


def _tools() -> Iterator[tuple[str, Sequence[str]]]:
    """gcc's warnings and analyzer, and what else is installed of clang and cppcheck."""
    for standard in ("c99", "c11"):
        yield f"gcc {standard}", ("gcc", f"-std={standard}", *STRICT, "-O2", *ALONE)
    yield "gcc -fanalyzer", ("gcc", *ANALYZER, *ALONE)
    if shutil.which("clang"):
        yield "clang", ("clang", "-std=c11", "-Weverything", "-Werror", *BUT, "-O2", *ALONE)
    if shutil.which("cppcheck"):
        yield "cppcheck", ("prlimit", f"--cpu={SECONDS}", "cppcheck", *CPPCHECK)


@cache
def _compilers() -> tuple[tuple[str, Sequence[str]], ...]:
    """What the golden vectors show with gcc, and with what else is installed of clang, its sanitizer of
    memory, and Zig; each with its command.
    """
    found: list[tuple[str, Sequence[str]]] = [("golden bits", ("gcc",))]
    if shutil.which("clang"):
        found.append(("golden bits", ("clang",)))
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder) / "trial.c"
            trial.write_text("int main(void) { return 0; }\n")
            if not _said([*WATCHED, str(trial), "-o", str(trial.with_suffix(""))]):
                found.append(("nothing unset is read", WATCHED))
    if importlib.util.find_spec("ziglang"):
        found.append(("golden bits", (sys.executable, "-m", "ziglang", "cc")))
    return tuple(found)


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
