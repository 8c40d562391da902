"""Lengths of instructions, by their first bytes."""

from __future__ import annotations

import pytest

pytest.importorskip("unicorn")

from delrec_compile.runners.emulated.isa import ISAS, count_riscv, count_thumb, count_words
from delrec_compile.runners.emulated.open import HOW


def test_thumb_has_half_words_and_words() -> None:
    nop, wide = bytes.fromhex("00bf"), bytes.fromhex("aff30080")
    assert count_thumb(b"") == 0
    assert count_thumb(nop * 3) == 3
    assert count_thumb(nop + wide + nop + wide) == 4


def test_riscv_compressed_instructions_do_not_end_in_11() -> None:
    nop, wide = bytes.fromhex("0100"), bytes.fromhex("13000000")
    assert count_riscv(nop + wide + wide + nop) == 4


def test_words_are_four_bytes() -> None:
    assert count_words(bytes(12)) == 3


def test_every_core_but_wasm_is_described() -> None:
    assert set(ISAS) == set(HOW) - {"wasm32"}
    for core, isa in ISAS.items():
        assert isa.word == (8 if core in {"aarch64", "riscv64"} else 4)
        assert len(set(isa.arguments)) == len(isa.arguments) >= 4
