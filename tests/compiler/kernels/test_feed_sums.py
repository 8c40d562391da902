"""Undelayed sums: which are made before the rest, and which are kept while real inputs stay."""

from __future__ import annotations

import cases
import pytest
from fixtures.composers import composer

from delrec_compile.targets.schedule import Schedule


@pytest.mark.parametrize(
    ("name", "hoists", "keeps"),
    [
        ("mixed", [True, True, True], [False, False, False]),
        ("real", [True, True, True], [True, False, False]),
        ("real_maps", [False, True, True], [False, False, False]),
    ],
)
def test_rows_are_summed_first_and_kept_where_the_input_is_real(
    name: str, hoists: list[bool], keeps: list[bool]
) -> None:
    made = composer(cases.network(name), Schedule(8))
    assert [made.hoists(i) for i in range(3)] == hoists
    assert [made.keeps(i) for i in range(3)] == keeps
