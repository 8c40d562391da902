"""C text of a kernel: freestanding, with qualified parameters, and no trace of TVM's runtime."""

from __future__ import annotations

import re

import pytest

from delrec_compile.compiler.codegen.c_text import _without_unused, c_text
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
    kept = "  int32_t a[1];\n  a[0] = (a[0] + 1);\n"
    assert _without_unused(kept) == kept
