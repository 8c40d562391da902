"""Sweeps: in this process, and at workers of which one is killed in the middle."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixtures.cluster import epochs, scheduler, wait_for
from fixtures.shd import write_pool
from helpers import refusal, tree

from delrec_compile.errors import DataError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.system.cluster import finished
from delrec_compile.system.jobs import Job, Place
from delrec_compile.training import sweep as module
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.loop import train
from delrec_compile.training.sweep import Row, perform, sweep
from delrec_compile.training.sweep_file import Run

SMALL = {"hidden": 8, "epochs": 3, "steps": 20, "max_delay": 5, "batch": 8}


def runs(*seeds: int, **options: Any) -> list[Run]:
    return [
        Run(f"seed={seed}", TrainConfig(**{**SMALL, "seed": seed, **options})) for seed in seeds
    ]


def digests(rows: tuple[Row, ...]) -> list[str]:
    return [row.result["network_sha256"] if row.result else str(row.error) for row in rows]


def test_each_run_is_the_training_of_its_options_and_is_trained_once(
    tmp_path: Path, tiny_data: Path
) -> None:
    said: list[tuple[int, int, str]] = []
    out = tmp_path / "out"
    rows = sweep(tiny_data, runs(0, 1), out, progress=lambda *step: said.append(step))
    assert [row.trained for row in rows] == [True, True]
    alone = train(tiny_data, rows[1].run.config)
    assert digests(rows)[1] == checkpoint.digest(alone.network)
    assert rows[1].result is not None
    assert rows[1].result["accuracy"] == alone.accuracy
    assert said[-1][:2] == (6, 6)
    assert said[-1][2].startswith("seed=1: epoch 3 of 3, valid ")
    names = {f"{row.key}{end}" for row in rows for end in (".json", ".safetensors", ".epochs.csv")}
    assert {p.name for p in out.iterdir()} == {*names, "results.json"}
    before = tree(out)
    again = sweep(tiny_data, runs(0, 1), out)
    assert [row.trained for row in again] == [False, False]
    assert digests(again) == digests(rows)
    assert tree(out) == before
    more = sweep(tiny_data, runs(1, 2), out, log=None)
    assert [row.trained for row in more] == [False, True]
    told = json.loads((out / "results.json").read_text())["runs"]
    assert [row["name"] for row in told] == ["seed=1", "seed=2"]
    assert told[0]["accuracy"] == alone.accuracy
    assert not (out / f"{more[1].key}.epochs.csv").exists()


def test_folds_of_a_pool_are_swept(tmp_path: Path) -> None:
    data = write_pool(tmp_path / "pool")
    config = TrainConfig(**{**SMALL, "epochs": 1, "batch": 4})
    rows = sweep(data, [Run(f"fold={f}", config, f) for f in (1, 0)], tmp_path / "out")
    assert [row.run.fold for row in rows] == [1, 0]
    alone = train(data, config, fold=1)
    assert digests(rows)[0] == checkpoint.digest(alone.network)
    assert len({row.key for row in rows}) == 2


def test_an_interrupted_sweep_goes_on_in_the_middle_of_a_training(
    tmp_path: Path, tiny_data: Path
) -> None:
    def cut(done: int, _total: int, _text: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(tiny_data, runs(0), tmp_path / "cut", progress=cut)
    (kept,) = (tmp_path / "cut").glob("*.unfinished")
    said: list[int] = []
    rows = sweep(tiny_data, runs(0), tmp_path / "cut", progress=lambda done, *_: said.append(done))
    assert said == [3]
    assert not kept.exists()
    assert digests(rows) == digests(sweep(tiny_data, runs(0), tmp_path / "whole"))


def test_a_training_that_diverges_is_a_row_and_the_others_go_on(
    tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = module.loop.train

    def diverges(sets: Any, config: TrainConfig, *rest: Any, **options: Any) -> Any:
        if config.lr > 1:
            raise UsageError("training diverged in epoch 1")
        return fit(sets, config, *rest, **options)

    monkeypatch.setattr(module.loop, "train", diverges)
    bad = Run("lr=9", TrainConfig(**SMALL, lr=9.0))
    rows = sweep(tiny_data, [bad, *runs(0)], tmp_path)
    assert [str(row.error or "") for row in rows] == ["training diverged in epoch 1", ""]
    assert rows[1].trained
    told = json.loads((tmp_path / "results.json").read_text())["runs"]
    assert told[0]["error"] == "training diverged in epoch 1"
    assert told[0]["config"]["lr"] == 9.0


def test_what_a_training_refuses_is_refused_before_the_first(
    tmp_path: Path, tiny_data: Path
) -> None:
    teacher = tmp_path / "teacher.safetensors"
    checkpoint.save(checkpoint.load(), teacher)
    wrong = runs(1, input_bits=3)
    with refusal(UsageError, "run seed=1: input_bits is 3; allowed with real values", 2, tmp_path):
        sweep(tiny_data, [*runs(0), *wrong], tmp_path)
    with refusal(UsageError, "run seed=1: .*teacher", 2, tmp_path):
        sweep(tiny_data, [*runs(0), *runs(1, teacher=str(teacher))], tmp_path)
    same = Run("threads", TrainConfig(**SMALL, threads=2))
    with refusal(UsageError, "the runs seed=0 and threads are the same training", 2, tmp_path):
        sweep(tiny_data, [*runs(0), same], tmp_path)
    with refusal(DataError, "is not a directory", 3, tmp_path):
        sweep(tmp_path / "nothere", runs(0), tmp_path)


def test_damaged_results_and_other_data_are_refused(tmp_path: Path, tiny_data: Path) -> None:
    (row,) = sweep(tiny_data, runs(0), tmp_path)
    path = tmp_path / f"{row.key}.json"
    text = path.read_text()
    path.write_text(text.replace(row.key, "another"))
    with refusal(DataError, "is of another version or another run; remove it", 3, tmp_path):
        sweep(tiny_data, runs(0), tmp_path)
    for damaged in (text[:40], text.replace('"valid": ', '"valid": "x", "v": '), "[]"):
        path.write_text(damaged)
        with refusal(DataError, "is damaged .*; remove it to train again", 3, tmp_path):
            sweep(tiny_data, runs(0), tmp_path)
    options = {"run": row.run, "key": "k", "folder": str(tmp_path), "log": None}
    with refusal(DataError, "is not the same here as where the sweep was started", 3, tmp_path):
        perform(lambda _done, _text: None, data=str(tiny_data), digest="other", **options)


def test_a_killed_worker_costs_one_epoch_and_no_bit(
    tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler and two workers in processes of their own; one is killed in mid-training."""
    log = tmp_path / "log"

    def watched(_function: str, jobs: list[Job], *rest: Any) -> Any:
        more = {"lines": str(log)}
        own = [replace(job, arguments={**job.arguments, **more}) for job in jobs]
        return finished("fixtures.cluster:logged_training", own, *rest)

    monkeypatch.setattr(module, "finished", watched)
    with scheduler(tmp_path, 2) as (address, (_, *workers)):

        def kill() -> None:
            wait_for(lambda: len({line["pid"] for line in epochs(log)}) == 2)
            wait_for(lambda: [e for e in epochs(log) if e["pid"] == workers[0].pid][1:])
            workers[0].kill()

        thread = threading.Thread(target=kill)
        thread.start()
        rows = sweep(tiny_data, runs(0, 1, 2), tmp_path / "out", place=Place(address=address))
        thread.join()
        assert workers[0].wait() == -signal.SIGKILL
    monkeypatch.undo()
    whole = sweep(tiny_data, runs(0, 1, 2), tmp_path / "whole")
    assert digests(rows) == digests(whole)
    times = Counter((line["key"], line["epoch"]) for line in epochs(log))
    assert set(times) == {(row.key, number) for row in rows for number in (1, 2, 3)}
    assert sum(times.values()) <= len(times) + 1
