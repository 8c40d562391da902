"""C text of a kernel: freestanding, with qualified parameters, and no trace of TVM's runtime."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from fixtures.mve import of_either

from delrec_compile.compiler.codegen.c_text import (
    HELPERS,
    OTHER_TYPE,
    WHICH_ACTIVE,
    _by_widest,
    _without_unused,
    c_text,
)
from delrec_compile.compiler.lower import lower
from delrec_compile.targets.schedule import Schedule


@pytest.fixture(scope="module")
def text(exported) -> str:  # type: ignore[no-untyped-def]
    schedule = Schedule(lanes=1, events="branch")
    kernels = lower(exported("mixed", "semantic"), schedule, generator="c", counts="uint8")
    return c_text({"net_kernel_run": kernels["run"].function})


def test_it_is_freestanding(text: str) -> None:
    assert set(re.findall(r"#include (\S+)", text)) == {"<float.h>", "<stdbool.h>", "<stdint.h>"}
    assert "FP_CONTRACT OFF" in text
    assert not re.search(r"TVM|tvm|extern|malloc", text)


def test_only_what_is_stored_to_is_writable(text: str) -> None:
    (parameters,) = re.findall(r"void net_kernel_run\(\n(.*?)\)\n\{", text, re.S)
    pointers = [p.strip() for p in parameters.split(",") if "*" in p]
    assert all("*restrict " in p for p in pointers)
    writable = {p.split()[-1] for p in pointers if not p.startswith("const ")}
    assert {"y"} <= {name.removeprefix("*restrict").lstrip("*") for name in writable}
    assert any(p.startswith("const uint8_t *restrict") and p.endswith("x") for p in pointers)


def test_what_nothing_reads_is_dropped_with_what_is_stored_in_it() -> None:
    read = "  int32_t a[1];\n  int32_t b = c[0];\n  a[0] = b;\n  y[0] = a[0];\n"
    unread = "  float m[2];\n  int32_t d = c[1];\n  m[0] = rounded(x[0]);\n  m[1] = (float)d;\n"
    assert _without_unused(unread + read) == read
    assert _without_unused("  sums[((y * 2) + x)] = sums[((y * 2) + x)];\n" + read) == read
    kept = "  int32_t a[1];\n  a[0] = (a[0] + 1);\n"
    assert _without_unused(kept) == kept


@pytest.mark.parametrize("instructions", [False, True])
def test_a_bit_says_of_each_of_sixteen_bytes_whether_it_is_0(
    instructions: bool, tmp_path: Path
) -> None:
    call = "uint32_t bits(const uint8_t *x, uint32_t n) { return which_active(x, n); }\n"
    library = of_either(tmp_path, WHICH_ACTIVE + call, instructions)
    x = np.random.default_rng(15).integers(0, 2, 40).astype(np.uint8) * np.uint8(129)
    for n in (1, 12, 15, 16, 17, 40):
        want = sum(1 << k for k in range(min(n, 16)) if x[k])
        assert library.bits(x.ctypes, ctypes.c_uint32(n)) == want


def test_memory_of_several_types_is_declared_as_the_widest() -> None:
    text = """  uint8_t a[6];
  int32_t b[2];
  b[0] = a[1] + ba[0];
  ((int32_t*)a)[0] = b[0] + ((uint8_t*)b)[3] + ((uint16_t*)a)[2];
"""
    want = """  int32_t a[2];
  int32_t b[2];
  b[0] = ((uint8_t*)a)[1] + ba[0];
  a[0] = b[0] + ((uint8_t*)b)[3] + ((uint16_t*)a)[2];
"""
    assert _by_widest(text) == want


def test_memory_of_several_types_may_alias_them() -> None:
    """A compiler may otherwise move a read of one type before a store of another."""
    text = "((int16_t*)a)[i] = 3; y[0] = ((float*)a)[0] + ((uint8_t*)a)[1];"
    found = OTHER_TYPE.sub(r"((any_\1*)\2)[", text)
    assert found == "((any_int16_t*)a)[i] = 3; y[0] = ((any_float*)a)[0] + ((uint8_t*)a)[1];"
    assert {f"any_{kind}*" for kind in ("int16_t", "float")} <= HELPERS.keys()
