"""The proof from sound to class."""

from __future__ import annotations

import pytest

from delrec_compile.errors import ParityError
from delrec_compile.evaluation.hearing import line, require_equal

RESULT = {
    "words": 2,
    "steps": 80,
    "spikes": 3_202,
    "counts_differing": 0,
    "outputs_differing": 0,
    "front_end_instructions": 374_668.0,
    "instructions": 389_017.0,
    "worst_instructions": 400_000,
    "stack_bytes": 1_800,
    "estimated_share_of_dt": 0.238,
    "energy_nj": {"front_end": 291.4, "network": 11.2},
}


def test_a_line_says_what_it_costs_and_that_energy_is_an_estimate() -> None:
    text = line(RESULT)
    assert "389,017 instructions per step, 374,668 of them the front end's, at most 23.8%" in text
    assert "an estimate: 291 nJ the front end, 11 nJ the network" in text
    native = {k: v for k, v in RESULT.items() if "instructions" not in k}
    assert "instructions" not in line(native)


@pytest.mark.parametrize("what", ["counts", "outputs"])
def test_a_difference_is_an_error(what: str) -> None:
    require_equal(RESULT)
    with pytest.raises(ParityError, match=f"3 {what} of 2 words differ"):
        require_equal(RESULT | {f"{what}_differing": 3})
