"""`python -m benchmarks.mutation`: what is changed, what is noticed, and the score."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.mutation import __main__ as command
from benchmarks.mutation import score
from benchmarks.mutation.mutants import code_of, mutants

SOURCE = '''
from functools import cache
LIMIT = 3

class Range:
    @cache
    def has(self, x: "int | 5", /) -> bool:
        """Whether 1 < x."""
        if x < LIMIT and not x == 0:
            raise ValueError(f"{x + 1}")
        return super().__hash__() is not None

def half(x):
    return x / 2

def emit(e: "Emitter"):
    return 1
'''
TEST = """
import pytest
from mutated import half

def test_half():
    assert half(4) == 2
"""


def test_what_is_changed() -> None:
    found = mutants("m", SOURCE)
    assert [m.change for m in found] == [
        "return x / 2 -> return None",
        "x / 2 -> x * 2",
        "2 -> 3",
        "if x < LIMIT and (not x == 0) -> if not (x < LIMIT and (not x == 0))",
        "x < LIMIT and (not x == 0) -> x < LIMIT or not x == 0",
        "x < LIMIT -> x <= LIMIT",
        "x == 0 -> x != 0",
        "0 -> 1",
        "return super().__hash__() is not None -> return None",
        "super().__hash__() is not None -> super().__hash__() is None",
    ]
    assert str(found[2]) == "m:14: 2 -> 3, in `return x / 2`"
    assert code_of(found[2], SOURCE, "m.py").co_consts[1] == 3
    assert code_of(found[9], SOURCE, "m.py").co_freevars == ("__class__",)


def test_a_mutant_is_noticed_by_a_test_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mutated.py").write_text(SOURCE)
    (tmp_path / "test_it.py").write_text(TEST)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(score, "ROOT", tmp_path)
    monkeypatch.delitem(sys.modules, "mutated", raising=False)
    room = score.Room("mine", (), ("test_it.py",))
    found = mutants("mutated", SOURCE)
    runs = score.Runs(tmp_path)
    assert runs.noticed(found[1], room)
    assert not runs.noticed(found[5], room)
    assert list(runs.limits.values()) == [score.SECONDS]
    monkeypatch.setattr(score.Runs, "load", lambda *_: None)
    monkeypatch.setattr(score, "drawn", lambda *_: [found[k] for k in (1, 2, 5)])
    for _ in range(2):
        known = {score.named(str(found[5]))}
        told = score.measure(room, 3, 1, tmp_path / "kept", known)
        assert (told["mutants"], told["survivors"]) == (3, [str(found[5])])
        assert (tmp_path / "kept").read_text().splitlines() == [
            f"{m.index} {m}" for m in found[1:3]
        ]
        monkeypatch.setattr(score.Runs, "noticed", None)  # the second time none is tried


def test_a_draw_is_of_its_seed_and_leaves_kernels_out() -> None:
    room = score.ROOMS[0]
    first = score.drawn(room, 20, 1)
    assert first == score.drawn(room, 20, 1) != score.drawn(room, 20, 2)
    names = set(score.modules(room))
    assert "delrec_compile.ops.lif" in names
    assert not any(name.endswith("_tir") for name in names)
    assert all(score.source(m.module) for m in first)


def test_the_score_is_of_mutants_that_change_something() -> None:
    found = {"mutants": 100, "killed": 90, "survivors": ["m:3: 2 -> 3", "m:9: a: b -> c"]}
    told = command.scored(found, {"m: 2 -> 3": "the third is never read"})
    assert (told["equivalent"], told["survived"]) == (1, 1)
    assert told["score"] == pytest.approx(100 * 90 / 99, abs=0.05)
    assert told["low"] < told["score"] < told["high"]
    assert told["survivors"] == ["m:9: a: b -> c"]


def test_the_interval_is_wilsons() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263
    assert score.interval(81, 263) == (25.5, 36.6)
    assert score.interval(0, 0) == (0, 100)
