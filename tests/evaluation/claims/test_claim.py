"""A row as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from fixtures.claims import PAIR, pooled_claims, small_claims

from delrec_compile.evaluation.claims.claim import Claims


def test_rows_come_back_from_json(tmp_path: Path) -> None:
    pooled = pooled_claims(tmp_path / "pool", fix=True)
    assert pooled.rows[0].interval is not None
    for result in (pooled, small_claims(tmp_path / "sets", PAIR[:1])):
        told = json.loads(json.dumps(result.as_dict()))
        told.pop("words")
        assert Claims.from_dict(told) == result


def test_rows_of_earlier_versions_are_read(tmp_path: Path) -> None:
    """Results printed before voices rotated hold no intervals."""
    result = small_claims(tmp_path, PAIR[:1], seeds=1)
    told = json.loads(json.dumps(result.as_dict()))
    for row in told["rows"]:
        for name in ("folds", "interval", "valid_gap", "valid_interval", "other"):
            del row[name]
    (row,) = Claims.from_dict(told).rows
    assert (row.accuracy_mean, row.interval) == (result.rows[0].accuracy_mean, None)
