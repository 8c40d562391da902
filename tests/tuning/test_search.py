"""MetaSchedule's search over our own template: it proposes allowed candidates, and learns."""

from __future__ import annotations

from typing import Any

import pytest
from fixtures.evaluators import SHIPPED, cost_of

from delrec_compile.aliases import Numeric
from delrec_compile.tuning.search import Search
from delrec_compile.tuning.space import space_of


@pytest.fixture
def search() -> Search:
    space = space_of("llvm", [], SHIPPED, conv=False, sequences=False, synaptic=False)
    return Search(space.knobs, SHIPPED, "float32", [], "workload")


def key(candidate: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(candidate.values())


def test_proposals_are_allowed_and_new(search: Search) -> None:
    proposed = [candidate for _ in range(3) for candidate in _round(search)]
    assert search.space.numeric is Numeric.FLOAT32
    assert all(search.space.allows(candidate) for candidate in proposed)
    assert len({key(c) for c in proposed}) == len(proposed) > 8


def test_the_model_ranks_what_it_has_learnt(search: Search) -> None:
    candidates = list(search.space.candidates())
    ratios = [cost_of(c) for c in candidates]
    search.learn(candidates[::2], list(ratios[::2]))
    best = min(candidates[1::2], key=cost_of)
    worst = max(candidates[1::2], key=cost_of)
    scores = [_score(search, c) for c in (best, worst)]
    assert scores[0] > scores[1] > 0


def test_failures_teach_nothing(search: Search) -> None:
    search.learn([SHIPPED, {"lanes": 3}], [None, 1.0])
    assert search.model.weight is None


def _round(search: Search) -> list[dict[str, Any]]:
    proposed = search.propose()
    search.report([cost_of(c) for c in proposed])
    return proposed


def _score(search: Search, candidate: dict[str, Any]) -> float:
    index = search.space.index(candidate)
    assert index is not None
    weight = search.model.weight
    assert weight is not None
    return float(-(search.model._features(index) @ weight)) + 10
