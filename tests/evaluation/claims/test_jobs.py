"""Trainings of claims at workers: the same results, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from fixtures.claims import OPTIONS, toy_pool, toy_sets
from fixtures.shd import write_pool
from helpers import refusal

from delrec_compile.data.partition import sets_digest
from delrec_compile.errors import DataError, UsageError
from delrec_compile.evaluation.claims.claim import Claims
from delrec_compile.evaluation.claims.jobs import Source, read
from delrec_compile.evaluation.claims.measure import claims
from delrec_compile.evaluation.claims.variants import select_variants
from delrec_compile.system.jobs import Place

TAUGHT = select_variants(["conv_delay_taught", "dense_delay"])  # the second teaches the first


def measured(data: Any, folder: Path, place: Place) -> Claims:
    """One seed, and two folds of a pool."""
    options = {**OPTIONS, "hidden": 8, "batch": 4}
    few: dict[str, Any] = {"seeds": 1, "with_grid": False, "with_latency": False}
    few["folds"] = 2 if isinstance(data, Path) else None
    return claims(data, variants=TAUGHT, cache=folder, options=options, place=place, **few)


def kept(folder: Path) -> dict[str, Any]:
    """What results say, but for times."""
    told = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return {one["key"]: {**one, "seconds": None} for one in told}


def test_workers_leave_what_one_process_does(tmp_path: Path) -> None:
    data = write_pool(tmp_path / "pool")
    one, two = (measured(data, tmp_path / str(n), Place(n)) for n in (1, 2))
    assert one.trained == two.trained == 4
    assert kept(tmp_path / "1") == kept(tmp_path / "2")
    assert len(kept(tmp_path / "1")) == 4
    rows = [replace(row, seconds=0) for row in one.rows]
    assert rows == [replace(row, seconds=0) for row in two.rows]
    names = {p.suffix for p in (tmp_path / "2").iterdir()}
    assert names == {".json", ".safetensors"}


def test_workers_need_a_folder(tmp_path: Path) -> None:
    for data in (toy_sets(), toy_pool()):
        with refusal(UsageError, "workers read the data themselves: pass the folder", 2, tmp_path):
            measured(data, tmp_path, Place(2))


def test_other_data_than_where_the_claims_were_started_are_refused(tmp_path: Path) -> None:
    data, out = write_pool(tmp_path / "pool"), tmp_path / "out"
    found = read(data)
    digest = sets_digest(found.sets(1))  # type: ignore[union-attr]
    assert Source(str(data), 1, str(out), digest).opened().sealed
    with refusal(DataError, "pool is not the same here as where the claims were started", 3):
        Source(str(data), 0, str(out), digest).opened()
