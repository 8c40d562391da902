"""Random samples: their shape, density, seed, and limits."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import refusal

from delrec_compile.data.generated import random_samples
from delrec_compile.errors import UsageError


@pytest.mark.parametrize("density", [0.001, 0.12, 0.9])
def test_the_density_is_the_share_of_active_inputs(density: float) -> None:
    events = random_samples(50, samples=20, steps=200, density=density, max_input=3)
    assert events.counts.shape == (20, 200, 50)
    assert events.density == pytest.approx(density, rel=0.1)
    assert events.counts.max() <= 3
    assert events.labels is None


def test_a_seed_gives_the_same_counts_again() -> None:
    first, same, other = (random_samples(9, seed=s).counts for s in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_at_density_1_every_input_has_its_largest_count() -> None:
    assert np.unique(random_samples(4, density=1, max_input=31).counts).tolist() == [31]


@pytest.mark.parametrize("density", [0, -0.1, 1.1, float("nan")])
def test_a_density_outside_of_0_to_1_is_refused(density: float) -> None:
    with refusal(UsageError, f"density is {density:g}; above 0 and up to 1 is required", 2):
        random_samples(4, density=density)


@pytest.mark.parametrize("option", ["samples", "steps", "seed"])
def test_other_options_are_refused_by_name(option: str) -> None:
    with refusal(UsageError, f"{option} is -1", 2):
        random_samples(4, **{option: -1})
