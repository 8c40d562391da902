"""What `build` makes of tuned schedules: which one it takes, what it says of it, what it writes."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.command import ok_here, refused_here
from helpers import refusal

from delrec_compile import targets
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.build import build
from delrec_compile.compiler.codegen.cpu import pick
from delrec_compile.compiler.schedules import choice as tuned
from delrec_compile.compiler.schedules.record import Winner
from delrec_compile.compiler.schedules.store import Key, Store
from delrec_compile.data.events import Events, save_samples
from delrec_compile.errors import InputError, UsageError
from delrec_compile.evaluation import proven, report
from delrec_compile.evaluation.compare import cache
from delrec_compile.network import checkpoint
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.targets.schedule import Schedule
from delrec_compile.tuning import listing
from delrec_compile.tuning.space import space_of

NAME = "conv3"
CPU = "x86-64"
pytestmark = pytest.mark.usefixtures("children_here")


def key_and_own(cpu: str = CPU) -> tuple[Key, Schedule]:
    profile = targets.load("x86_64")
    llvm, own = pick(profile, cpu)
    return tuned.key_of(profile, llvm, cases.network(NAME)), own


def winner(own: Schedule, ratio: float = 0.8, **changes: Any) -> dict[str, Any]:
    costs = {"steps": 0.8, "sequence": 0.8}
    return Winner(
        schedule=replace(own, **changes),
        shipped=own,
        ratio=ratio,
        unit="us",
        how="native",
        costs=costs,
        shipped_costs={"steps": 1.0, "sequence": 1.0},
        ratios=costs,
        command="delrec-compile tune net.safetensors --target x86_64",
    ).to_json()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With a winner for this network."""
    store = Store(tmp_path / "db")
    key, own = key_and_own()
    store.append(key, {"winner": winner(own, registers=16, events="branch")})
    return store


@pytest.fixture
def no_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "exported", lambda: ())


def built(out: Path, **options: Any) -> Artifact:
    return build(cases.network(NAME), "x86_64", out, cpu=CPU, **options)


def test_build_takes_the_winner_and_says_so(store: Store, tmp_path: Path) -> None:
    _, own = key_and_own()
    made = built(tmp_path / "a", db=store.folder)
    m = made.manifest
    assert m.schedule == {**vars(own), "registers": 16, "events": "branch"}
    assert m.tuning == {"origin": "store", "ratio": 0.8, "own": vars(own)}
    line = report.schedule_line(m)
    assert line == (
        "schedule from the store of tuned schedules: when tuned, 1.25x as fast as the profile's own"
    )
    again = built(tmp_path / "b", db=store.folder)
    for file in ("manifest.json", m.library):
        assert (made.path / file).read_bytes() == (again.path / file).read_bytes()
    plain = built(tmp_path / "c", db=store.folder, tuned=False).manifest
    assert (plain.schedule, plain.tuning) == (vars(own), None)
    other = replace(plain, tuning={"origin": "profile", "ratio": 1.0, "own": vars(own)})
    assert report.schedule_line(plain) is report.schedule_line(other) is None


def test_the_command_takes_it_too(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(cases.network(NAME), tmp_path / "net.safetensors")
    events = np.zeros((2, 30, cases.network(NAME).inputs), np.uint8)
    events[:, ::3] = 1
    save_samples(tmp_path / "samples.npz", Events(events, np.zeros(2, np.int64), None, None, 10.0))
    line = ["build", tmp_path / "net.safetensors", "--cpu", CPU, "-i", tmp_path / "samples.npz"]
    said = ok_here(*line, "-o", tmp_path / "a", "--db", store.folder)
    assert "schedule from the store of tuned schedules" in " ".join(said.split())
    assert "store of tuned schedules" in (tmp_path / "a" / "report.md").read_text()

    def stop(*_: object, **options: object) -> None:
        raise UsageError(f"tuned: {options['tuned']}")

    monkeypatch.setattr(proven, "build_proven", stop)
    assert "tuned: False" in refused_here(2, *line, "-o", tmp_path / "b", "--no-tuned")


@pytest.mark.parametrize("part", ["tvm", "target", "cpu", "numeric", "code", "workload"])
def test_a_winner_of_something_else_is_not_used(
    part: str, tmp_path: Path, no_exports: None
) -> None:
    key, own = key_and_own()
    wrong: dict[str, Any] = {part: {} if part == "workload" else "other"}
    store = Store(tmp_path)
    store.append(replace(key, **wrong), {"winner": winner(own, registers=16)})
    # even in the place of the right one
    store.path(replace(key, **wrong)).rename(store.path(key))
    assert tuned.choose(key, own, tmp_path).origin == "profile"


def test_what_is_no_schedule_any_more_is_not_used(tmp_path: Path, no_exports: None) -> None:
    key, own = key_and_own()
    store = Store(tmp_path)
    good = winner(own, registers=16)
    store.append(key, {"winner": good})
    changed = replace(own, lanes=own.lanes * 2)
    assert tuned.choose(key, own, tmp_path).schedule.registers == 16
    assert tuned.choose(key, changed, tmp_path).schedule == changed, "the profile was changed"
    for bad in (
        {**good, "schedule": {**good["schedule"], "lanes": 3}},
        {**good, "schedule": {**good["schedule"], "unknown": 1}},
        {**good, "schedule": 5},
        {**good, "ratio": "fast"},
    ):
        store.append(key, {"winner": bad})
        assert tuned.choose(key, own, tmp_path).schedule.registers == 16
    store.append(key, {"winner": winner(own, ratio=1.0)})
    last = tuned.choose(key, own, tmp_path)
    assert (last.schedule, last.ratio) == (own, 1.0), "the last word counts"


def test_what_was_timed_counts_more_than_what_was_counted(tmp_path: Path, no_exports: None) -> None:
    key, own = key_and_own()
    store = Store(tmp_path)
    counted = {**winner(own, registers=16), "unit": "instructions"}
    store.append(key, {"winner": counted})
    assert tuned.choose(key, own, tmp_path).schedule.registers == 16
    store.append(key, {"winner": winner(own, ratio=1.0)})
    store.append(key, {"winner": counted})
    assert tuned.choose(key, own, tmp_path).schedule == own, "on the device nothing was faster"
    both = [Winner.from_json(w) for w in (counted, winner(own))]
    assert [w.unit for w in tuned.ranked(both)] == ["us", "instructions"]


def test_winners_are_exported_and_found_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, own = key_and_own()
    ok_here("db", "export", "--db", store.folder, "-o", tmp_path / "tuned")
    (path,) = (tmp_path / "tuned").glob("*.toml")
    text = path.read_text()
    assert "#     delrec-compile tune net.safetensors --target x86_64\n" in text
    file = tomllib.loads(text)
    assert file["key"]["workload"] == key.workload
    monkeypatch.setattr(tuned, "exported", lambda: (tuned.Exported.from_toml(file),))
    found = tuned.choose(key, own, tmp_path / "none")
    assert (found.origin, found.ratio, found.schedule.registers) == ("targets/tuned", 0.8, 16)
    # it outlives a change of the code, but not one of what is computed, or of the profile
    assert tuned.choose(replace(key, code="x", tvm="9"), own, None).origin == "targets/tuned"
    assert tuned.choose(replace(key, workload={}), own, None).origin == "profile"
    assert tuned.choose(key, replace(own, registers=32), None).origin == "profile"
    with refusal(InputError, "exists; add force=True to replace it", 3, tmp_path):
        listing.export_winners(store, tmp_path / "tuned", None, force=False)
    assert listing.export_winners(store, tmp_path / "tuned", "x86_64", force=True) == [path]
    # what the user measured here counts more
    store.append(key, {"winner": winner(own, ratio=1.0)})
    assert tuned.choose(key, own, store.folder).origin == "profile"
    with refusal(InputError, "holds no winner to export", 3, tmp_path):
        listing.export_winners(store, tmp_path / "tuned", None, force=True)


def test_a_kept_artifact_is_built_again_when_a_winner_appears(tmp_path: Path) -> None:
    network, db = cases.network(NAME), tmp_path / "db"
    first, found = cache.cached_build(network, "portable_c", out=tmp_path, db=db)
    assert not found
    assert first.manifest.tuning["origin"] == "profile"
    assert cache.cached_build(network, "portable_c", out=tmp_path, db=db)[1]
    profile = targets.load("portable_c")
    key = tuned.key_of(profile, first.manifest.llvm, network)
    own = Schedule(**first.manifest.schedule)
    Store(db).append(key, {"winner": winner(own, registers=own.registers * 2)})
    second, found = cache.cached_build(network, "portable_c", out=tmp_path, db=db)
    assert not found
    assert second.manifest.schedule["registers"] == 2 * own.registers
    assert cache.cached_build(network, "portable_c", out=tmp_path, db=db)[1]


def test_what_is_shipped_as_tuned_still_fits_its_profile() -> None:
    """When one fails here, tune that target again and export, or delete the file."""
    for file in tuned.exported():
        key, own = file.key, file.winner.shipped
        profile = targets.load(key.target)
        assert own in _owns(profile, key.cpu)
        assert 0 < file.winner.ratio < 1
        features = [f for choice in profile.schedules for f in choice.features]
        space = space_of(profile.generator, features, vars(own), numeric=key.numeric)
        assert space.index(vars(file.winner.schedule)) is not None
        assert file.winner.schedule != own


def _owns(profile: targets.Target, cpu: str) -> list[Schedule]:
    named = profile.llvm.get("mcpu") == "host"
    return [pick(profile, cpu if named else None)[1]]


NOT_CODE = (
    "aliases",
    "artifact",
    "bundled",
    "data",
    "errors",
    "system",
)  # rooms that decide no kernel
LOADED = """
import sys
from delrec_compile.compiler.assemble import assemble
assemble(sys.argv[1], "x86_64", "net", 1, None, None)
print(*(name for name in sys.modules if name.startswith("delrec_compile.")))
"""


@pytest.mark.parametrize("quantised", [False, True])
def test_the_digest_covers_every_module_that_makes_code(tmp_path: Path, quantised: bool) -> None:
    network = cases.network(NAME)
    checkpoint.save(network, tmp_path / "network.safetensors")
    if quantised:
        integer_checkpoint.save(quantise(network, "int8"), tmp_path / integer_checkpoint.NAME)
    done = subprocess.run(
        [sys.executable, "-c", LOADED, tmp_path], capture_output=True, text=True, check=True
    )
    modules = done.stdout.split()
    rooms = {module.split(".")[1] for module in modules}
    assert {"delrec_compile.targets.schedule", "delrec_compile.compiler.glue"} <= set(modules)
    assert rooms - set(NOT_CODE) == set(tuned.CODE)


def test_a_digest_of_nothing_is_refused(tmp_path: Path) -> None:
    assert tuned.digest(["ops"]) != tuned.digest(["ops", "compiler"])
    with pytest.raises(RuntimeError, match="room 'oops' has no sources"):
        tuned.digest(["ops", "oops"])


def test_graphs_of_other_wiring_are_other_workloads() -> None:
    network = cases.network("graph_maps")
    assert tuned.workload(network) == tuned.workload(replace(network, name="other"))
    first, *others = network.graph
    swapped = replace(first, projections=first.projections[:-1])
    assert tuned.workload(replace(network, graph=(swapped, *others))) != tuned.workload(network)
