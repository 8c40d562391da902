"""The leak of integers: its rounding, and the same in 32 bits of TIR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.c_text import loaded, of_c
from fixtures.tir import run
from tvm.script.ir_builder import IRBuilder

from delrec_compile import targets
from delrec_compile.compiler.codegen.cpu import features_of, pick
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.ops.integer_leak import (
    C_TEXT,
    DOUBLING,
    LIMIT,
    ONE,
    emit_leak,
    is_half,
    leak,
)
from delrec_compile.targets.schedule import Schedule


def test_the_leak_rounds_halves_upwards() -> None:
    v = np.array([3, -3, 1, -1])
    assert leak(v, ONE // 2).tolist() == [2, -1, 1, 0]
    assert leak(v, ONE).tolist() == v.tolist()


@pytest.mark.parametrize("beta", [0, 1, 20001, ONE])
def test_the_leak_in_32_bits_is_that_of_the_formula(beta: int) -> None:
    v = np.random.default_rng(11).integers(-LIMIT, LIMIT, 16).astype(np.int32)
    v[:2] = -LIMIT, LIMIT - 1

    def body(e: Any, old: Any, new: Any) -> None:
        for at, lanes in e.blocks(16):
            e.store(new, at, lanes, emit_leak(e, beta, e.load(old, at, lanes), lanes))

    _, have = run(body, v, np.zeros_like(v), schedule=Schedule(4, 2, "scan"))
    np.testing.assert_array_equal(have, leak(v.astype(np.int64), beta))


def test_shares_that_have_half_a_word() -> None:
    assert is_half(0)
    assert is_half(np.array([0, ONE - 1]))
    assert not is_half(ONE)
    assert not is_half(np.array([5, -1]))


def test_a_doubling_product_of_a_share_is_its_leak() -> None:
    """NEON's product by its definition, at the ends of both ranges and at every fraction of a share."""
    rng = np.random.default_rng(13)
    ends = [-(1 << 31), -LIMIT, -ONE, -1, 0, 1, ONE, LIMIT - 1, (1 << 31) - 1]
    v = np.array([*ends, *range(-70000, 70000), *rng.integers(-(1 << 31), 1 << 31, 3000)], np.int64)
    for beta in (1, 2, 3, 1560, ONE // 2 - 1, ONE // 2, 20001, ONE - 1):
        # 2 * v * (beta << 16) + 2^31 in 64 bits, of which it keeps the upper 32
        have = (2 * v * (beta << 16) + (1 << 31)) >> 32
        np.testing.assert_array_equal(have, leak(v, beta))
        assert np.abs(have).max() < 1 << 31


@pytest.mark.parametrize(("name", "intrinsic"), DOUBLING.items())
@pytest.mark.parametrize(
    ("beta", "half"), [(20001, False), (None, True), (None, False), (ONE, True)]
)
def test_the_leak_is_a_doubling_product_a_quad_at_a_time(
    name: str, intrinsic: str, beta: int | None, half: bool
) -> None:
    """Of a share that is known, and of those of a table that are below one."""
    text = emitted_leak(Schedule(8, 2, "scan", leak=name), beta, half)
    expected = 2 if (half and beta is None) or beta == 20001 else 0
    assert text.count(intrinsic.removesuffix(".v4i32")) == expected


def emitted_leak(schedule: Schedule, beta: int | None, half: bool) -> str:
    e = Emitter(schedule)
    with IRBuilder() as builder, e.T.prim_func(s_tir=True):
        e.T.func_name("body")
        old, new, shares = (e.T.arg(n, e.T.buffer((8,), "int32")) for n in ("old", "new", "shares"))
        share = e.load(shares, 0, 8) if beta is None else beta
        e.store(new, 0, 8, emit_leak(e, share, e.load(old, 0, 8), 8, half))
    return str(builder.get().script())


def cpus() -> list[tuple[int, str]]:
    """CPUs whose code runs here, with the lanes of their 16-bit multiplications."""
    here = pick(targets.load("x86_64"))[0]
    wide = [(16, str(here["mcpu"]))] if "avx512bw" in features_of(here) else []
    return [(8, "x86-64-v3"), *wide]


@pytest.mark.parametrize("one_for_all", [True, False])
@pytest.mark.parametrize(("lanes", "cpu"), cpus())
def test_the_leak_by_halves_is_that_of_the_formula(lanes: int, cpu: str, one_for_all: bool) -> None:
    """At the ends of both ranges, and where the product is just below, at and above a half."""
    rng = np.random.default_rng(12)
    v = rng.integers(-LIMIT, LIMIT, 512).astype(np.int32)
    beta = rng.integers(0, ONE, 512).astype(np.int32)
    v[:6] = -LIMIT, LIMIT - 1, -1, 0, ONE, -ONE
    v[6:70], beta[6:70] = np.arange(-32, 32), ONE // 2
    beta[:6] = ONE - 1
    if one_for_all:
        beta[:] = 20001

    def body(e: Any, old: Any, shares: Any, new: Any) -> None:
        for at, width in e.blocks(512):
            share = 20001 if one_for_all else e.load(shares, at, width)
            e.store(new, at, width, emit_leak(e, share, e.load(old, at, width), width, True))

    schedule = Schedule(lanes, leak="halves")
    *_, have = run(body, v, beta, np.zeros_like(v), schedule=schedule, cpu=cpu)
    np.testing.assert_array_equal(have, leak(v.astype(np.int64), beta.astype(np.int64)))


@pytest.mark.parametrize("long_products", [True, False])
def test_the_upper_word_of_a_product_is_the_leak(long_products: bool, tmp_path: Path) -> None:
    """Of any v, and of a share on either side of a half; the core without products of 64 bits too."""
    rng = np.random.default_rng(13)
    v = rng.integers(-(1 << 31), 1 << 31, 4000).astype(np.int32)
    v[:5] = -(1 << 31), (1 << 31) - 1, 0, -1, 1
    call = "v[n] = upper_of_product(v[n], share);"
    own = f"void all(int32_t n, int32_t share, int32_t *v) {{ while (n--) {{ {call} }} }}"
    flags = [] if long_products else ["-D__ARM_ARCH_ISA_THUMB=1"]
    library = loaded(tmp_path, C_TEXT + own, *flags)
    for share in (0, 1, 1560, 12345, (ONE >> 1) - 1, -1, -(ONE >> 1)):
        have = v.copy()
        library.all(len(v), share << 17, have.ctypes)
        np.testing.assert_array_equal(have, leak(v.astype(np.int64), share))


@pytest.mark.parametrize("beta", [0, 1, 1560, (ONE >> 1) - 1, ONE >> 1, 31168, ONE - 1])
def test_the_leak_of_c_text_is_that_of_the_formula(beta: int, tmp_path: Path) -> None:
    v = np.random.default_rng(14).integers(-LIMIT, LIMIT, 64).astype(np.int32)

    def body(e: Any, old: Any) -> None:
        with e.loop("k", 64) as k:
            e.store(old, k, 1, emit_leak(e, beta, e.load(old, k, 1), 1))

    have = v.copy()
    of_c(tmp_path, body, have)
    np.testing.assert_array_equal(have, leak(v.astype(np.int64), beta))
