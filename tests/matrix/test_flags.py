"""C sources in somebody's own build: the same bits whatever the flags, or one line that says why not."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here

from delrec_compile.aliases import F32
from delrec_compile.ops.lif import Lif
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import toolchain

# products that need rounding before a sum: beta * v, gain * I and, off the grid, weight * count
CASE = cases.Case(
    "flags", sizes=(20, 17), neuron=Lif(0.9, gain=0.3), recurrence=("dense", "conv3"), counts=31
)
STEPS = 300
MAIN = """
#include <stdio.h>
#include "NAME.h"
static NAME_state state;
int main(void)
{
    uint8_t x[14];
    float y[5];
    NAME_reset(&state);
    while (fread(x, 1, sizeof x, stdin) == sizeof x) {
        NAME_run(&state, x, 1, y);
        fwrite(y, sizeof *y, 5, stdout);
    }
    return 0;
}
"""
FMA = "-mfma"
GCC = (
    "-O0 -std=c99",
    f"-O3 {FMA}",
    f"-O2 -ffp-contract=fast -flto -fwhole-program {FMA}",
    "-Os -funsafe-math-optimizations",
    "-Ofast",
    "-ffast-math",
    "-O2 -ffinite-math-only",
    "-O2 -mfpmath=387",
)
CLANG = (
    f"-O3 {FMA}",
    f"-O2 -ffp-contract=fast {FMA}",
    f"-O3 -funsafe-math-optimizations -ffp-contract=fast {FMA}",
    "-O3 -ffast-math",
    "-ffinite-math-only",
)
REFUSED = ("-Ofast", "-ffast-math", "-ffinite-math-only", "-mfpmath=387")
REFUSED_BY_GCC = (*REFUSED, "-funsafe-math-optimizations")


@pytest.fixture(scope="module")
def inputs() -> F32:
    return cases.counts(CASE, steps=STEPS)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artifact_here(cases.made(CASE), "portable_c", tmp_path_factory.mktemp("exact")).path


@pytest.fixture(scope="module")
def off_grid(tmp_path_factory: pytest.TempPathFactory, inputs: F32) -> tuple[Path, F32 | str]:
    """A folder of sources, and its outputs when nothing is contracted."""
    network, stage = cases.made(replace(CASE, name="off_grid", exact=False)), "off_grid"
    folder = artifact_here(network, "portable_c", tmp_path_factory.mktemp(stage)).path
    work = tmp_path_factory.mktemp("plain")
    return folder, outputs(gcc(), "-O1 -ffp-contract=off", folder, inputs, work)


def outputs(compiler: list[str], flags: str, folder: Path, x: F32, work: Path) -> F32 | str:
    """Outputs (steps, 5) of the sources of a folder in a program of their own, or the refusal."""
    name = next((folder / "include").glob("*.h")).stem
    main = work / f"{name}_main.c"
    main.write_text(MAIN.replace("NAME", name))
    include = [f"-I{folder / part}" for part in ("include", "src")]
    command = [*compiler, *flags.split(), *include, *(folder / "src").glob("*.c"), main]
    done = subprocess.run(
        [*command, "-o", work / name], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return next(line for line in done.stderr.splitlines() if "error" in line)
    run = subprocess.run(
        [work / name], input=x.astype(np.uint8).tobytes(), stdout=subprocess.PIPE, check=True
    )
    return np.frombuffer(run.stdout, np.float32).reshape(-1, 5)


def builds(compilers: Callable[[], list[str]], flags: tuple[str, ...]) -> list[pytest.param]:
    name = compilers.__name__
    return [pytest.param(compilers, each, id=f"{name} {each}") for each in flags]


def gcc() -> list[str]:
    return toolchain.cc()


def clang() -> list[str]:
    pytest.importorskip("ziglang")
    return [*toolchain.zig_command("cc"), "-fno-sanitize=undefined"]


@pytest.mark.parametrize(("compiler", "flags"), [*builds(gcc, GCC), *builds(clang, CLANG)])
def test_the_flags_of_a_build_change_no_bit_or_are_refused(
    compiler: Callable[[], list[str]],
    flags: str,
    exact: Path,
    off_grid: tuple[Path, F32 | str],
    inputs: F32,
    tmp_path: Path,
) -> None:
    command = compiler()
    have = outputs(command, flags, exact, inputs, tmp_path)
    refused = REFUSED_BY_GCC if compiler is gcc else REFUSED
    if any(flag in flags for flag in refused):
        assert isinstance(have, str), flags
        assert "compile this file with" in have
        return
    want = TorchRunner(cases.made(CASE)).trace(inputs).y[:, 0]
    np.testing.assert_array_equal(have, want)
    # off the grid they need not be those of PyTorch
    np.testing.assert_array_equal(
        outputs(command, flags, off_grid[0], inputs, tmp_path), off_grid[1]
    )


@pytest.mark.parametrize(
    ("triple", "cpu"),
    [
        ("aarch64-linux-musl", "cortex_a72"),
        ("arm-linux-musleabihf", "cortex_a7"),
        ("thumb-freestanding-eabihf", "cortex_m7"),
        ("riscv64-linux-musl", "baseline_rv64"),
    ],
)
def test_no_other_processor_fuses_a_product_with_a_sum(
    triple: str, cpu: str, off_grid: tuple[Path, F32 | str], tmp_path: Path
) -> None:
    pytest.importorskip("ziglang")
    folder, text = off_grid[0], tmp_path / "kernel.s"
    command = [*toolchain.zig_command("cc", triple, cpu), "-S", "-O3", "-ffp-contract=fast"]
    source = folder / "src" / "off_grid_kernel.c"
    subprocess.run([*command, f"-I{folder / 'include'}", source, "-o", text], check=True)
    fused = re.findall(r"^\s+(?:vfm|vmla|vnmla|fmadd|fmla|fnm|fmsub)\S*", text.read_text(), re.M)
    assert not fused
