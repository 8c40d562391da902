"""The page of the claims: bars at the places of their numbers."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from delrec_compile.evaluation.claims.claim import Claim, Claims
from delrec_compile.evaluation.page.claimed import accuracy, claims_page, energy, parameters
from delrec_compile.evaluation.page.figures import Lines


def claim(kind: str, mean: float, std: float | None, count: int, nj: float) -> Claim:
    cost: dict[str, Any] = {"macs": 1.0, "additions": 1.0, "energy_nj": nj, "dense_macs": 9}
    cost |= {"dense_energy_nj": 9.0, "parameter_bytes": 4, "state_bytes": 4}
    latency = {"us_per_step": 0.5, "authors_us_per_step": 50.0}
    delays = {"shuffled": 0.1, "zeroed": 0.2}
    fixed = (3, 80, count, 0.5, None, (0.1, 0.2), cost, delays, latency, 9.0)
    return Claim(kind, kind, mean, std, mean, *fixed)


ROWS = (claim("conv_delay", 0.85, 0.02, 259, 40.0), claim("dense_delay", 0.9, None, 65_792, 50.0))
CLAIMS = Claims(ROWS, (), "digits", {"train": 1, "valid": 1, "test": 1}, 1.0, 0, "")


def test_accuracies_stand_between_the_least_and_all() -> None:
    first, second = accuracy(ROWS).rows
    at = lambda share: 100 * (share - 0.8) / 0.2  # noqa: E731  the axis begins at 80 %
    assert first.at == pytest.approx(at(0.85))
    assert (first.low, first.high) == (pytest.approx(at(0.83)), pytest.approx(at(0.87)))
    assert first.value == "85.0% ± 2.0"
    assert second.low is None
    assert second.value == "90.0%"


def test_parameters_and_energy_are_logarithmic() -> None:
    few, many = parameters(ROWS).rows
    assert few.at == pytest.approx(100 * (math.log10(259) - 2) / 3, abs=0.01)
    assert many.at == pytest.approx(100 * (math.log10(65_792) - 2) / 3, abs=0.01)
    assert [bar.value for bar in energy(ROWS).rows] == ["40.0 nJ", "50.0 nJ"]
    assert parameters((claim("none", 0.5, None, 0, 1.0),)).rows[0].at is None


def test_the_page_has_every_table_and_reads_back() -> None:
    again = Claims.from_dict(json.loads(json.dumps(CLAIMS.as_dict())))
    assert again == CLAIMS
    page = claims_page(again, "line")
    assert [s.name for s in page.sections] == [
        *("accuracy", "parameters", "energy", "latency", "tables", "environment")
    ]
    facts = {f.name: f.detail for f in page.facts}
    assert facts == {
        "best accuracy": "dense_delay",
        "fewest parameters": "conv_delay",
        "least energy": "conv_delay",
    }
    assert claims_page(Claims((), (), "d", {}, 0, 0, "")).facts == ()
    taken = "The times were taken elsewhere."
    tables = page.sections[4].parts
    noted = claims_page(replace(CLAIMS, taken=taken), "line").sections[4].parts
    place = [t.title.split()[0] for t in tables].index("Time") + 1
    assert noted == (*tables[:place], Lines((taken,)), *tables[place:])
