"""Programs for devices: which machine they are for, and what cannot be one."""

from __future__ import annotations

import ctypes
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from fixtures.c_text import loaded
from fixtures.manifests import typed
from helpers import refusal

from delrec_compile.artifact.manifest import Artifact
from delrec_compile.errors import CompilerCrash, DeviceError, InputError, UnsupportedError
from delrec_compile.runners.devices import program as programs
from delrec_compile.runners.devices.program import GLIBC, machine_for, program, rpc_library
from delrec_compile.runners.devices.url import LOCAL
from delrec_compile.system import host, toolchain


@pytest.mark.parametrize(
    ("built", "found", "machine"),
    [
        ("any", "x86_64", "x86_64"),
        ("any", "arm64", "aarch64"),
        ("x86_64", "x86_64", "x86_64"),
        ("armv7l", "aarch64", "armv7l"),
        ("aarch64", "", "aarch64"),
    ],
)
def test_the_machine_of_a_program(built: str, found: str, machine: str, tmp_path: Path) -> None:
    """Portable C is for any machine; an ARM processor runs the code of older ones too."""
    assert machine_for(Artifact(tmp_path, typed(machine=built)), LOCAL, found) == machine


def test_other_machines_are_refused(tmp_path: Path) -> None:
    def of(**changed: object) -> Artifact:
        return Artifact(tmp_path, typed(**changed))

    with refusal(DeviceError, "local is x86_64, and .* is built for aarch64", 8):
        machine_for(of(machine="aarch64"), LOCAL, "x86_64")
    with refusal(UnsupportedError, "is built for cortex_m4; machines that can be reached", 4):
        machine_for(of(machine="cortex_m4"), LOCAL, "x86_64")
    with refusal(UnsupportedError, "local: unknown machine", 4):
        machine_for(of(), LOCAL, "")
    with refusal(UnsupportedError, "is for a GPU; remote devices run CPU code", 4):
        machine_for(of(form="cuda", library="lib/x.so"), LOCAL, "x86_64")


def test_an_older_artifact_has_no_static_library(tmp_path: Path) -> None:
    old = Artifact(tmp_path, typed(form="library", library="lib/libnet.so"))
    with refusal(InputError, "has no static library: .*; build it again", 3):
        program(old, "x86_64", tmp_path / "program")


Compiled = list[tuple[str, str]]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Compiled:
    """The source and the triple of each program that is compiled; this machine is an x86-64."""
    found: Compiled = []

    def compile_c(_: Artifact, source: str, out: Path, __: list[str], triple: str) -> Path:
        found.append((source, triple))
        if source == "main.c" and not triple:
            raise CompilerCrash("cannot find -lc")
        return out

    monkeypatch.setattr(programs, "_compile", compile_c)
    monkeypatch.setattr(host.platform, "machine", lambda: "x86_64")
    return found


def test_without_a_static_c_library_zig_has_one(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = Artifact(tmp_path, typed())
    monkeypatch.setattr(toolchain, "has_zig", lambda: True)
    assert program(artifact, "x86_64", tmp_path / "program") == tmp_path / "program"
    assert compiled == [("main.c", ""), ("main.c", "x86_64-linux-musl")]
    monkeypatch.setattr(toolchain, "has_zig", lambda: False)
    with refusal(CompilerCrash, "cannot find -lc", 9):
        program(artifact, "x86_64", tmp_path / "program")


def test_libraries_for_another_machine_are_of_an_old_glibc(
    compiled: Compiled, tmp_path: Path
) -> None:
    artifact = Artifact(tmp_path, typed())
    for machine in ("x86_64", "aarch64", "armv7l"):
        assert rpc_library(artifact, machine, tmp_path / "x.so") == tmp_path / "x.so"
    (_, here), (_, arm), (_, older) = compiled
    assert here == "", "the compiler's own"
    assert (arm, older) == (f"aarch64-linux-gnu.{GLIBC}", f"arm-linux-gnueabihf.{GLIBC}")


RECORDER = """
typedef struct { int32_t unused; } net_state;
static int32_t seen[64], count;
static void net_reset(net_state *s) { (void)s; }
static int net_trace(net_state *s, const uint8_t *x, int32_t n, float *y, uint8_t *spikes)
{
    return (void)s, (void)x, (void)n, (void)y, (void)spikes, 0;
}
static int net_run(net_state *s, const uint8_t *x, int32_t n, float *y)
{
    (void)s;
    for (int32_t t = 0; t < n; t++) {
        y[t] = 0.0f;
    }
    if (count < 64) {
        seen[count] = x[0];
    }
    count++;
    return 0;
}
"""
TIMED = """
#define NAME net
#define HEADER "net.h"
#define COUNT uint8_t
enum { INPUTS = 2, OUTPUTS = 1, NEURONS = 1 };
#include <time.h>
static int64_t now_ns;
static int microsecond_later(struct timespec *now)
{
    now_ns += 1000;
    now->tv_sec = 0;
    now->tv_nsec = now_ns;
    return 0;
}
#define clock_gettime(id, now) microsecond_later(now)
#include "words.h"
int32_t timed(const uint8_t *x, int64_t first, int32_t piece, float *y, int32_t *out)
{
    count = 0;
    const double ns = time_words(x, 3, first, 4, piece, 20000, y);
    memcpy(out, seen, sizeof seen);
    return ns > 0 ? count : 0;
}
int all(const uint8_t *x, float *y, uint8_t *spikes)
{
    return trace_word(x, 4, y, spikes) + same_word(x, 4, y);
}
"""


@pytest.mark.parametrize(("first", "order"), [(0, (0, 1, 2)), (2, (2, 0, 1))])
@pytest.mark.parametrize("piece", [0, 2])
def test_a_slice_goes_through_distinct_samples(
    first: int, order: tuple[int, ...], piece: int, tmp_path: Path
) -> None:
    """The first is run once, uncounted, then those after it, a microsecond each, for 20."""
    (tmp_path / "net.h").write_text(RECORDER)
    folder = resources.files("delrec_compile.targets") / "device"
    library = loaded(tmp_path, TIMED, f"-I{folder}", "-D_POSIX_C_SOURCE=200809L", "-std=c11")
    x = np.repeat(np.arange(3, dtype=np.uint8), 8)
    y, seen = np.zeros(4, np.float32), np.zeros(64, np.int32)
    own = (x.ctypes, ctypes.c_int64(first), piece, y.ctypes, seen.ctypes)
    each = 1 if piece == 0 else 2
    calls = each * (1 + 20)
    assert library.timed(*own) == calls
    assert seen[:calls].tolist() == [order[k // each % 3] for k in range(calls)]
