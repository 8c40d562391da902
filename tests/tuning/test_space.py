"""The search space: valid on its CPU, without repetitions, with the shipped schedule inside."""

from __future__ import annotations

import random

import pytest
from fixtures.evaluators import SHIPPED
from helpers import refusal

from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets.schedule import Schedule
from delrec_compile.tuning.space import inactive, space_of


def test_every_field_of_a_schedule_is_searched_somewhere() -> None:
    """A new choice of Schedule needs its values in `tuning_space`."""
    found = set()
    for target in targets.names():
        profile = targets.load(target)
        if profile.generator != "cuda":
            for numeric in profile.numeric:
                own = vars(profile.schedules[0].schedule)
                features = ["avx512vbmi2", "avx512vl", "avx512vnni", "avx512bw"]
                found |= set(space_of(profile.generator, features, own, numeric=numeric).knobs)
    assert found == set(SHIPPED)


@pytest.mark.parametrize("numeric", list(Numeric))
@pytest.mark.parametrize("target", [t for t in targets.names() if t != "cuda"])
def test_a_space_holds_what_is_shipped_and_repeats_nothing(target: str, numeric: Numeric) -> None:
    profile = targets.load(target)
    for choice in profile.schedules:
        own = vars(choice.schedule)
        space = space_of(profile.generator, choice.features, own, numeric=numeric)
        candidates = list(space.candidates())
        known = {tuple(c.values()) for c in candidates}
        assert tuple(own.values()) in known
        assert len(known) == len(candidates) == space.size > 5
        for candidate in candidates[:: 1 + len(candidates) // 300]:
            at = space.index(candidate)
            assert at is not None
            assert (
                space.candidate([v[k] for v, k in zip(space.knobs.values(), at, strict=True)])
                == candidate
            )
        assert space.index({**own, "lanes": 3}) is None
        assert space.index({"lanes": 4}) is None


@pytest.mark.parametrize("numeric", list(Numeric))
@pytest.mark.parametrize("target", ["x86_64", "arm_cpu", "cortex_m4"])
def test_a_candidate_is_one_that_is_allowed(target: str, numeric: Numeric) -> None:
    """Of combinations that are drawn, half of them as shipped in half of their choices."""
    profile = targets.load(target)
    draw = random.Random(3)
    for choice in profile.schedules:
        space = space_of(profile.generator, choice.features, vars(choice.schedule), numeric=numeric)
        known = {tuple(c.values()) for c in space.candidates()}
        allowed = 0
        for k in range(600):
            kept = [name for name in space.knobs if k % 2 and draw.random() < 0.5]
            drawn = space.candidate([draw.choice(values) for values in space.knobs.values()])
            drawn |= {name: space.shipped[name] for name in kept}
            assert space.allows(drawn) == (tuple(drawn.values()) in known), drawn
            allowed += space.allows(drawn)
        assert allowed > 5


def test_choices_without_effect_stay_as_shipped() -> None:
    own = {**SHIPPED, "lanes": 1, "bytes": "words"}
    for candidate in space_of("c", [], own, numeric=Numeric.INT8).candidates():
        if candidate["bytes"] == "wide":
            assert (candidate["words"], candidate["neurons"]) == (2, 2)
        if candidate["bytes"] == "words":
            assert candidate["registers"] == 8
    assert "bytes" not in space_of("c", [], own).knobs
    assert space_of("c", [], own, numeric=Numeric.INT16).knobs["bytes"] == ("words", "memory")
    with refusal(UnsupportedError, "GPUs have one schedule", 4):
        space_of("cuda", [], own)


@pytest.mark.parametrize("numeric", list(Numeric))
def test_steps_together_are_searched_in_every_numeric(numeric: Numeric) -> None:
    """In int8 they decide whether all rows of bytes are read where most have an event."""
    shipped = {**SHIPPED, "lanes": 16, "rows": "pairs", "chunk": 8}
    assert "together" not in inactive(Schedule(**shipped), numeric)
    assert "together" in inactive(Schedule(**{**shipped, "chunk": 0}), numeric)
    assert "together" in inactive(Schedule(**{**shipped, "rows": "units"}), numeric)


def test_delays_of_synapses_are_searched_where_there_are_some() -> None:
    for generator in ("llvm", "c"):
        for numeric in Numeric:
            own = {**SHIPPED, "lanes": 4 if generator == "llvm" else 1}
            space = space_of(generator, [], own, numeric=numeric)
            assert space.knobs["synapses"] == ("pull", "push")
            assert "synapses" not in space_of(generator, [], own, synaptic=False).knobs
