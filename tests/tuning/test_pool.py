"""Evaluators that measure at once: who measures what, machines that go and come, a real cluster."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import cases
import psutil
import pytest
from fixtures.evaluators import KEY, SHIPPED, FakeEvaluator
from fixtures.remote import Command, Tracker
from fixtures.tuning import NAME, only, tuned
from helpers import refusal

import delrec_compile
from delrec_compile.compiler.schedules.record import Trial
from delrec_compile.compiler.schedules.store import read
from delrec_compile.errors import DeviceError, UsageError
from delrec_compile.runners.devices.rpc import free
from delrec_compile.runners.devices.url import parse
from delrec_compile.targets.schedule import Schedule
from delrec_compile.tuning.pool import Pool, Setup
from delrec_compile.tuning.result import Limits

TUNE = importlib.import_module("delrec_compile.tuning.tune")
SCHEDULES = [Schedule(**{**SHIPPED, "registers": n}) for n in (2, 4, 8, 16, 32)]
LOST = DeviceError("rpc://h/k: its server died")


def assert_set(event: threading.Event) -> None:
    assert event.wait(20)


Act = Callable[[Schedule], None]


class Machine:
    """A worker without a process. act: called with each schedule before it is measured."""

    def __init__(self, name: str, act: Act = lambda _: None) -> None:
        self.fake, self.name, self.act = FakeEvaluator("", "", None, ""), name, act
        self.measured: list[Schedule] = []
        self.closed = False

    def call(self, method: str, *, timeout_s: float, **arguments: Any) -> Any:
        assert timeout_s > 0
        if method == "measure":
            self.act(Schedule(**arguments["schedule"]))
            self.measured.append(Schedule(**arguments["schedule"]))
        if method == "compare":
            for candidate in arguments["schedules"]:
                self.act(Schedule(**candidate))
        answer = getattr(self.fake, method)(**arguments)
        return {**answer, "place": self.name} if isinstance(answer, dict) else answer

    def close(self) -> None:
        self.closed = True


class Cluster:
    """A pool of such machines, the first of which is there; the others are free."""

    def __init__(self, *machines: Machine) -> None:
        self.waiting, self.told = list(machines), cast(list[str], [])
        self.trials: list[Trial] = []
        self.pool = Pool(cast(Any, lambda: self.waiting.pop(0)), 1, lambda: len(self.waiting))
        self.setup = self.pool.describe()

    def measure(self, schedules: list[Schedule], most: int = 99) -> None:
        left = [True] * most
        self.pool.measure(
            schedules,
            self.setup,
            lambda: bool(left and left.pop()),
            self.trials.append,
            self.told.append,
        )


def test_each_machine_measures_what_it_is_free_for() -> None:
    """A slow one takes one trial while the other takes the rest."""
    over = threading.Event()

    def last(schedule: Schedule) -> None:
        if schedule == SCHEDULES[-1]:
            over.set()

    slow, quick = Machine("a", lambda _: assert_set(over)), Machine("b", last)
    cluster = Cluster(slow, quick)
    cluster.measure(SCHEDULES)
    assert [len(m.measured) for m in (slow, quick)] == [1, 4]
    assert {t.schedule for t in cluster.trials} == set(SCHEDULES)
    assert all(t.measurement and not t.error for t in cluster.trials)
    assert cluster.pool.trials == {"a": 1, "b": 4}


def test_a_machine_that_is_gone_costs_its_trial_which_is_measured_again() -> None:
    def dying(schedule: Schedule) -> None:
        raise LOST

    gone, other = Machine("a", dying), Machine("b")
    cluster = Cluster(gone, other)
    cluster.measure(SCHEDULES)
    assert gone.closed
    assert cluster.told == ["a is gone; its trial is measured again elsewhere"]
    assert sorted(map(repr, other.measured)) == sorted(map(repr, SCHEDULES))
    assert not any(t.error for t in cluster.trials)
    other.act = dying
    with pytest.raises(DeviceError, match="its server died"):
        cluster.measure(SCHEDULES)


def test_a_schedule_that_costs_two_machines_is_a_failed_trial() -> None:
    def dying(schedule: Schedule) -> None:
        if schedule == SCHEDULES[0]:
            raise LOST

    cluster = Cluster(*(Machine(name, dying) for name in "abc"))
    cluster.measure(SCHEDULES)
    failed = {t.schedule: t.error for t in cluster.trials if t.error}
    assert list(failed) == [SCHEDULES[0]]
    assert "it failed where it ran, 2 times: rpc://h/k" in failed[SCHEDULES[0]]
    assert len(cluster.trials) == len(SCHEDULES)
    assert len(cluster.pool.members) == 1


def test_a_machine_that_comes_joins_before_the_next_proposals() -> None:
    cluster = Cluster(Machine("a"))
    cluster.measure(SCHEDULES[:2])
    cluster.waiting.append(Machine("b"))
    cluster.measure(SCHEDULES[2:4])
    assert [m.place for m in cluster.pool.members] == ["a", "b"]
    cluster.pool.free = cast(Any, lambda: (_ for _ in ()).throw(DeviceError("no tracker")))
    cluster.measure(SCHEDULES[4:])
    assert len(cluster.trials) == 5


def test_one_that_looks_for_its_machine_is_not_counted_twice() -> None:
    cluster = Cluster(Machine("a"), Machine("b"))
    cluster.measure(SCHEDULES[:1])  # the second one had nothing to do, so its machine is free
    cluster.waiting.append(Machine("c"))
    cluster.pool.free = lambda: 1
    cluster.measure(SCHEDULES[1:2])
    assert len(cluster.pool.members) == 2


def test_no_trial_begins_beyond_a_limit() -> None:
    cluster = Cluster(Machine("a"), Machine("b"))
    cluster.measure(SCHEDULES, most=3)
    assert len(cluster.trials) == 3


def test_an_interrupt_ends_the_evaluators() -> None:
    machine = Machine("a")
    cluster = Cluster(machine)

    def interrupted(_: Trial) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.pool.measure(SCHEDULES, cluster.setup, lambda: True, interrupted, print)
    assert machine.closed


def test_the_last_comparison_goes_on_elsewhere() -> None:
    deaths = [LOST, LOST, LOST]

    def dying(_: Schedule) -> None:
        if deaths:
            raise deaths.pop()

    first, second = Machine("a", dying), Machine("b", dying)
    cluster = Cluster(first, second)
    cluster.measure([])
    found = cluster.pool.compare(SCHEDULES[:2], 3)
    assert [m.schedule for m in found] == SCHEDULES[:2]
    assert first.closed
    assert [m.worker for m in cluster.pool.members] == [second]


def test_a_setup_is_read_from_json() -> None:
    setup = Setup.from_json(FakeEvaluator("", "", None, "").describe())
    assert (vars(setup.key), setup.space.shipped) == (KEY, SHIPPED)


def test_a_cluster_finds_what_one_machine_finds(
    fake: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Trials, their ratios and the winner are those of one machine; only their order differs."""
    monkeypatch.setattr("delrec_compile.runners.devices.rpc.free", lambda _: 2)
    device = "rpc://h/k"
    one = tuned(tmp_path / "one", 30, device=device)
    both = tuned(tmp_path / "both", 30, device=device, cluster=True)
    stores = [read(only(tmp_path / name)) for name in ("one", "both")]
    trials = [sorted((repr(t["schedule"]), t["ratio"]) for t in s.all("trial")) for s in stores]
    assert trials[0] == trials[1]
    assert len(trials[0]) == 30
    assert one.best == both.best
    assert stores[0].winners[-1].schedule == stores[1].winners[-1].schedule
    again = tuned(tmp_path / "both", 1, device=device)
    assert again.trials["known"] == 30


def test_a_cluster_needs_a_key_at_a_tracker(tmp_path: Path) -> None:
    for device in (None, "ssh://me@board"):
        with refusal(UsageError, "--cluster .*rpc://host:port/key", 2, tmp_path):
            delrec_compile.tune(cases.network(NAME), device=device, cluster=True, db=tmp_path)


@pytest.fixture
def two(tracker: Tracker) -> Iterator[tuple[str, list[Command]]]:
    """The URL of two machines of one key."""
    pytest.importorskip("tornado")
    servers = [tracker.offer("pair") for _ in range(2)]
    url = tracker.url("pair")
    end = time.monotonic() + 60
    while free(parse(url)) < 2:
        assert time.monotonic() < end, "no two servers came"
        time.sleep(0.2)
    yield url, servers
    for server in servers:
        ended(server)


def ended(server: Command) -> None:
    """The server and its sessions, by kill -9."""
    if server.process.poll() is None:
        mine = psutil.Process(server.process.pid)
        for each in [*mine.children(recursive=True), mine]:
            each.kill()
        server.process.communicate()


def test_two_servers_measure_at_once_and_one_is_killed(
    two: tuple[str, list[Command]], place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Over TVM's RPC: what the killed one had is measured on the other, and no trial is lost."""
    monkeypatch.setattr(TUNE, "CLUSTER_BACK_S", 3.0)
    url, servers = two
    told: list[str] = []

    def watch(done: int, _all: int, text: str) -> None:
        told.append(text)
        if done >= 3 and text.count(" on 127.0.0.1:") == 2:
            ended(servers[0])

    result = delrec_compile.tune(
        cases.network(NAME),
        cpu="x86-64",
        device=url,
        cluster=True,
        samples=str(place / "samples.npz"),
        db=tmp_path,
        limits=Limits(None, trials=8),
        progress=watch,
    )
    assert servers[0].process.poll() is not None
    assert [text for text in told if "is gone; its trial is measured again elsewhere" in text]
    assert result.trials == {"measured": 8, "known": 0, "failed": 0}
    assert len(result.devices) == 2
    assert sum(result.devices.values()) == 8
    trials = read(only(tmp_path)).all("trial")
    assert len({repr(t["schedule"]) for t in trials}) == 8
    assert all(t["costs"]["steps"] > 0 for t in trials)
    assert {t["how"] for t in trials} == {result.how}
