"""The claims: what is cached, what is counted, and the tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.training import SMALL, small, toy_sets
from helpers import refusal, tree

from delrec_compile.cli import claims as cli_claims
from delrec_compile.data.events import Events
from delrec_compile.data.sets import Sets, sets_digest
from delrec_compile.errors import DataError, UsageError
from delrec_compile.evaluation.claims import cost as costs
from delrec_compile.evaluation.claims import latency as timing
from delrec_compile.evaluation.claims import measure
from delrec_compile.evaluation.claims.ablate import delays_matter, with_delays
from delrec_compile.evaluation.claims.cache import training_key
from delrec_compile.evaluation.claims.measure import Claims, claims
from delrec_compile.evaluation.claims.page import markdown, write
from delrec_compile.evaluation.claims.table import short, tables
from delrec_compile.evaluation.claims.variants import (
    EXTRA_VARIANTS,
    RATE,
    VARIANTS,
    Variant,
    grid,
    select_variants,
)
from delrec_compile.network import checkpoint
from delrec_compile.network.classify import accuracy
from delrec_compile.network.model import (
    RECURRENCES,
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Layer,
    Recurrence,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.loop import train

OPTIONS = {**SMALL, "epochs": 2}
OPTIONS |= {"shift_steps": 1, "shift_channels": 0}
PAIR = select_variants(["conv_delay", "dense_delay"])


def small_claims(folder: Path, variants: tuple[Variant, ...] = PAIR, **options: Any) -> Claims:
    told = {"seeds": 2, "with_grid": False, "with_latency": False, **options}
    tiny = [
        replace(v, options={k: w for k, w in v.options.items() if k != "kernel"}) for v in variants
    ]
    common = dict(OPTIONS)
    if any(v.options.get("recurrence") == "conv2d" for v in tiny):
        del common["max_delay"]
    return claims(toy_sets(), variants=tiny, cache=folder, options=common, **told)


def test_a_rerun_trains_nothing_and_says_the_same(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    first = small_claims(tmp_path, progress=lambda done, total, _: told.append((done, total)))
    assert told == [(i, 8) for i in range(1, 9)]
    again = small_claims(tmp_path)
    assert (first.trained, again.trained) == (4, 0)
    assert again.rows == first.rows
    more = small_claims(tmp_path, seeds=3)
    assert more.trained == 2
    conv, dense = first.rows
    assert conv.accuracy_std is not None
    assert conv.gap == pytest.approx(conv.accuracy_mean - dense.accuracy_mean)
    assert conv.recurrent_parameters == 3 + 24
    assert conv.saving == pytest.approx(1 - 27 / (24 * 24 + 24))
    assert dense.saving == 0


def test_results_are_those_of_training(tmp_path: Path) -> None:
    small_claims(tmp_path, PAIR[:1], seeds=1)
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())
    network = checkpoint.load(path.with_suffix(".safetensors"))
    options = {"lr": RATE, **PAIR[0].options, **OPTIONS, "seed": 0}
    same = train(toy_sets(), TrainConfig(**options))
    assert found["accuracy"] == same.accuracy
    assert checkpoint.digest(same.network) == found["network_sha256"]
    assert checkpoint.digest(network) == found["network_sha256"]


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    class CutError(Exception):
        """Ends a run in the middle."""

    def cut(done: int, total: int, note: str) -> None:
        if done == 3:
            raise CutError

    with pytest.raises(CutError):
        small_claims(tmp_path, progress=cut)
    assert len(list(tmp_path.glob("*.unfinished"))) == 1
    seen: list[int] = []
    whole = small_claims(tmp_path, progress=lambda done, _total, _note: seen.append(done))
    assert not list(tmp_path.glob("*.unfinished"))
    assert (len(seen), whole.trained) == (5, 3)
    assert (
        replace(whole, seconds=0.0).rows[0].accuracy_mean
        == small_claims(tmp_path / "other").rows[0].accuracy_mean
    )


def test_results_without_networks_still_tell(tmp_path: Path) -> None:
    first = small_claims(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()
    assert small_claims(tmp_path, with_latency=True).rows == first.rows


def test_what_is_on_record_is_shown_without_training(tmp_path: Path) -> None:
    with refusal(UsageError, "holds no training of these networks .* --recorded", 2):
        small_claims(tmp_path, recorded=True)
    whole = small_claims(tmp_path)
    small_claims(tmp_path, PAIR[:1], seeds=3)
    held = small_claims(tmp_path, recorded=True, seeds=5, with_grid=True)
    assert held.trained == 0
    assert [(r.kind, r.seeds) for r in held.rows] == [("conv_delay", 3), ("dense_delay", 2)]
    assert held.rows[0].gap == pytest.approx(whole.rows[0].gap)
    assert held.rows[1] == whole.rows[1]
    alone = small_claims(tmp_path, recorded=True, variants=PAIR[:1])
    assert alone.rows[0].gap is None


def test_a_variant_with_a_teacher_trains_it_first(tmp_path: Path) -> None:
    (taught,) = select_variants(["conv_delay_taught"])
    result = small_claims(tmp_path, (taught,), seeds=1)
    assert result.trained == 2
    names = {json.loads(p.read_text())["variant"] for p in tmp_path.glob("*.json")}
    assert names == {"conv_delay_taught", "dense_delay"}
    assert small_claims(tmp_path, select_variants(["dense_delay"]), seeds=1).trained == 0
    assert taught not in VARIANTS


def test_keys_follow_what_changes_a_training() -> None:
    base = training_key(small(), "d")
    assert training_key(small(threads=2, device="cuda", teacher="a"), "d") == base
    others = {
        training_key(small(lr=0.1), "d"),
        training_key(small(seed=1), "d"),
        training_key(small(), "e"),
    }
    others |= {training_key(small(), "d", "teacher")}
    assert len(others | {base}) == 5


def test_options_reach_every_variant_but_fixed_delays_stay_fixed(tmp_path: Path) -> None:
    variants = select_variants(["conv_delay", "conv_fixed"])
    tiny = {**OPTIONS, "epochs": 3, "delays_from": 1}
    claims(
        toy_sets(),
        variants=variants,
        seeds=1,
        cache=tmp_path,
        with_grid=False,
        with_latency=False,
        options=tiny,
    )
    found = [json.loads(p.read_text()) for p in tmp_path.glob("*.json")]
    told = {f["variant"]: f["config"]["delays_from"] for f in found}
    assert told == {"conv_delay": 1, "conv_fixed": 3}


def test_other_data_has_another_digest() -> None:
    sets = toy_sets()

    def other(change: Callable[[Events], dict[str, Any]]) -> str:
        parts = (sets.train, sets.valid, sets.test)
        return sets_digest(Sets(*(replace(e, **change(e)) for e in parts)))

    digests = [
        sets_digest(sets),
        other(lambda e: {"counts": e.counts.reshape(len(e), 12, 20)}),
        other(lambda _: {"keys": ("c", "b", "a")}),
        other(lambda _: {"keys": None}),
        other(lambda _: {"keys": ("a", "b", "c", "d")}),
        other(lambda _: {"dt_ms": 5.0}),
    ]
    assert len(set(digests)) == len(digests)
    assert sets_digest(toy_sets()) == digests[0]


def test_a_cache_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    with refusal(
        UsageError, "nothere is no folder, so it holds no training; .*--cache", 2, tmp_path
    ):
        small_claims(tmp_path / "nothere", recorded=True)
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        with refusal(UsageError, "cannot be the folder of trainings .* with --cache", 2, tmp_path):
            small_claims(path)
        with refusal(UsageError, "is no folder, so it holds no training", 2, tmp_path):
            small_claims(path, recorded=True)


def test_times_are_of_this_machine_and_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[Path] = []

    def took(path: Path) -> dict[str, Any]:
        timed.append(path)
        return {"us_per_step": float(len(timed)), "authors_us_per_step": None, "skipped": None}

    monkeypatch.setattr(measure, "latency", took)
    said: list[str] = []

    def told(**options: Any) -> Claims:
        return small_claims(
            tmp_path, with_latency=True, seeds=1, progress=lambda *s: said.append(s[2]), **options
        )

    def cells(found: Claims) -> tuple[list[str], str]:
        (table,) = [t for t in tables(found) if t.title.startswith("Time")]
        return [row[1] for row in table.rows], table.note

    small_claims(tmp_path, seeds=1)
    assert all(r.latency is None for r in told(recorded=True).rows)
    assert not said
    first = told()
    assert said == ["timing conv_delay", "timing dense_delay"]
    assert told().rows == first.rows
    assert cells(first) == (["1.00 us", "2.00 us"], "")
    assert len(timed) == len(said) == 2

    monkeypatch.setattr(timing, "__version__", "9.9")
    before = tree(tmp_path)
    kept = told(recorded=True)
    assert tree(tmp_path) == before
    assert len(timed) == len(said) == 2
    assert kept.rows == first.rows
    machine = timing.machine()
    note = (
        f"The times were taken on {machine['cpu']}, {machine['system']}, Python {machine['python']}"
    )
    assert cells(kept)[1].startswith(f"{note}, by version ")
    assert f" |\n\n{cells(kept)[1]}\n\n### " in markdown(kept, "claims")
    assert cells(told()) == (["3.00 us", "4.00 us"], "")

    for path in tmp_path.glob("*.json"):  # as kept before machines were
        found = json.loads(path.read_text())
        if found["variant"] == "conv_delay":
            del found["latency"]["machine"]
        else:
            del found["latency"]
        path.write_text(json.dumps(found))
    rows, line = cells(told(recorded=True))
    assert rows == ["3.00 us", "-"]
    assert line == "The times were taken on a machine that is not on record."
    assert cells(told()) == (["5.00 us", "6.00 us"], "")


def test_times_that_cannot_be_taken_here_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = {"us_per_step": None, "authors_us_per_step": None, "skipped": "no compiler"}
    some = {**none, "us_per_step": 0.5}
    shown = []
    for version, found in (("1", none), ("1", some), ("2", none)):
        monkeypatch.setattr(timing, "__version__", version)
        monkeypatch.setattr(measure, "latency", lambda _, found=found: found)
        (row,) = small_claims(tmp_path, PAIR[:1], seeds=1, with_latency=True).rows
        assert row.latency is not None
        shown.append(row.latency["us_per_step"])
    assert shown == [None, 0.5, 0.5]


def test_the_command_names_no_empty_list_and_is_recorded_whole(
    tmp_path: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for names in (",", "", " , "):
        with refusal(UsageError, "no variant is named; allowed: feed_forward, ", 2, tmp_path):
            cli_claims.claims(tiny_data, variants=names, markdown=[tmp_path / "new" / "page.md"])
    page = tmp_path / "page.md"
    cache = tmp_path / "cache"
    for recorded in (False, True):
        cli_claims.claims(
            tiny_data,
            variants="feed_forward",
            quick=True,
            latency=False,
            cache=cache,
            recorded=recorded,
            markdown=[page],
        )
    told = f"--variants feed_forward --seeds 3 --cache {cache} --quick --no-latency --recorded`"
    assert f"Made by `delrec-compile claims DATA {told}" in page.read_text()
    capsys.readouterr()
    cli_claims.claims(tiny_data, variants="feed_forward", quick=True, cache=cache, recorded=True)
    assert "timing" not in capsys.readouterr().err


def test_a_damaged_result_is_refused(tmp_path: Path) -> None:
    small_claims(tmp_path, PAIR[:1], seeds=1)
    (path,) = tmp_path.glob("*.json")
    path.write_text(path.read_text()[:40])
    with refusal(DataError, "is damaged .* remove it to train anew", 3, tmp_path):
        small_claims(tmp_path, PAIR[:1], seeds=1)


def met(call: Any, size: int, lags: int = 0) -> float:
    """Weights of one that a spike in the middle of `size` neurons meets, at all lags together."""
    spikes = np.eye(size, dtype=np.float32)
    if not lags:
        return float(call(spikes).sum(1).max())
    total = np.zeros(size)
    for lag in range(lags):
        hist = np.zeros((size, lags, size), np.float32)
        hist[:, lag] = spikes
        total += call(hist).sum(1)
    return float(total.max())


def fans(layer: Layer) -> tuple[float, float]:
    """Of an input, and of a spike of the layer itself, by the plain reference."""
    flat = replace(layer, weight=layer.weight * 0 + 1, bias=layer.bias * 0)
    r = layer.recurrence
    if r is None:
        return met(flat.feed, layer.inputs), 0
    ones: dict[str, Any] = {name: values * 0 + 1 for name, values in r.weights.items()}
    return met(flat.feed, layer.inputs), met(replace(r, **ones).reference, r.size, r.depth)


KINDS: tuple[tuple[dict[str, Any], float], ...] = (
    ({"heads": 2}, 2 * 3),
    ({"recurrence": "dense"}, 24),
    ({"recurrence": "none"}, 0),
    ({"recurrence": "synaptic"}, 24),
    ({"recurrence": "tap_conv", "channels": 2, "taps": 3}, 3 * 3),
    ({"recurrence": "conv2d", "channels": 2, "height": 3}, 4 * 2 * 9),
    ({"frontend": "4x3"}, 3),
)


@pytest.mark.parametrize(("options", "fan"), KINDS)
def test_rates_and_costs_are_counted(options: dict[str, Any], fan: float) -> None:
    network = train(toy_sets(), small(**options)).network
    counts = toy_sets().test.counts
    x = np.ascontiguousarray(counts.swapaxes(0, 1), np.float32)
    spikes = TorchRunner(network).trace(x).spikes
    held = costs.spike_rates(network, counts)
    assert held == pytest.approx([(counts > 0).mean(), *(s.mean() for s in spikes)])
    per_step = len(x) * x.shape[1]
    fired = [(counts > 0).sum() / per_step, *(s.sum() / per_step for s in spikes)]
    met_by = [fans(layer) for layer in network.layers]
    assert met_by[-1][1] == fan
    neurons = sum(layer.size for layer in network.layers)
    macs = fired[0] * met_by[0][0] + neurons + 3
    additions = fired[-1] * 3 + sum(s * m[1] for s, m in zip(fired[1:], met_by, strict=True))
    additions += sum(s * m[0] for s, m in zip(fired[1:-1], met_by[1:], strict=True))
    dense = sum(
        layer.inputs * m[0] + layer.size * m[1]
        for layer, m in zip(network.layers, met_by, strict=True)
    )
    found = costs.cost(network, held)
    assert found.additions == pytest.approx(additions, rel=1e-5)
    assert found.macs == pytest.approx(macs, rel=1e-5)
    assert found.energy_nj == pytest.approx((4.6 * macs + 0.9 * additions) / 1000, rel=1e-5)
    assert found.dense_macs == dense + neurons + 24 * 3 + 3


def test_weights_of_a_stride_are_shared_out() -> None:
    network = train(toy_sets(), small(frontend="4x3/2")).network
    first = network.layers[0]
    assert first.size == 4 * 6
    held = costs.spike_rates(network, toy_sets().test.counts)
    macs = held[0] * 4 * 6 * 3 + 24 * 3 + 3
    assert costs.cost(network, held).macs == pytest.approx(macs)


def test_every_kind_has_a_cost_and_an_ablation() -> None:
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    kinds: list[Recurrence] = [
        ConvDelay(some(3), np.arange(24) % 5),
        DenseDelay(some(24, 24), np.arange(24) % 5),
        SynapticDelay(some(24, 24), rng.integers(0, 5, (24, 24))),
        TapConvDelay(some(3, 2, 3), np.array([0, 2, 4]), 12),
        Conv2dDelay(some(4, 2, 2, 3, 3), 3, 4),
    ]
    assert {r.kind for r in kinds} == set(RECURRENCES)
    network = train(toy_sets(), small()).network
    for r in kinds:
        layer = replace(network.layers[1], recurrence=r)
        changed = replace(network, layers=(network.layers[0], layer))
        assert costs.synapses(r) == 24 * fans(layer)[1]
        zero, mixed = with_delays(changed, None), with_delays(changed, 0)
        assert zero is not None
        assert zero.max_delay == 0
        old, new = fans(layer)[1], fans(zero.layers[1])[1]
        if r.kind in ("tap_conv_delay", "conv2d_delay"):
            assert mixed is None
            # the same sum of all that a neuron gets, all of it a step after the spike
            hist = np.repeat((rng.random((2, 1, 24)) < 0.3).astype(np.float32), r.depth, 1)
            after = zero.layers[1].recurrence
            assert after is not None
            assert after.reference(hist[:, :1]) == pytest.approx(r.reference(hist), abs=1e-4)
            assert delays_matter(changed, toy_sets().test)["shuffled"] is None
        else:
            assert old == new
            assert mixed is not None
            now = mixed.layers[1].recurrence
            assert now is not None
            moved, held = now.arrays()["delay"], r.arrays()["delay"]
            assert not np.array_equal(moved, held)
            # a sending neuron keeps its delays together
            assert sorted(np.atleast_2d(moved).T.tolist()) == sorted(np.atleast_2d(held).T.tolist())


@pytest.mark.parametrize("kind", ["synaptic", "tap_conv", "conv2d"])
def test_other_kinds_make_a_row(tmp_path: Path, kind: str) -> None:
    other = (Variant("other", "other", {"recurrence": kind}),)
    result = small_claims(tmp_path, other)
    (row,) = result.rows
    shared = kind != "synaptic"
    assert (row.delays["shuffled"] is None) == shared
    cells = {title.split()[0]: rows[0] for title, _, rows, _ in tables(result)}
    assert (cells["What"][2] == "-") == shared
    assert small_claims(tmp_path, other, recorded=True).rows == result.rows


def test_delays_are_zeroed_and_shuffled_among_neurons() -> None:
    network = train(toy_sets(), small(heads=2, epochs=4, lr=1e-2)).network
    test = toy_sets().test
    recurrence = network.layers[1].recurrence
    assert isinstance(recurrence, ConvDelay)
    without, among = with_delays(network, None), with_delays(network, 0)
    assert without is not None
    assert among is not None
    zero, mixed = without.layers[1].recurrence, among.layers[1].recurrence
    assert isinstance(zero, ConvDelay)
    assert isinstance(mixed, ConvDelay)
    assert not zero.delay.any()
    assert not np.array_equal(mixed.delay, recurrence.delay)
    # a neuron keeps its heads together
    assert sorted(mixed.delay.T.tolist()) == sorted(recurrence.delay.T.tolist())
    assert np.array_equal(zero.kernel, recurrence.kernel)
    found = delays_matter(network, test)
    assert found["zeroed"] == accuracy(without, test.counts, test.labels)
    assert found["shuffled"] == accuracy(among, test.counts, test.labels)
    assert delays_matter(train(toy_sets(), small(recurrence="none")).network, test) == {}


def test_variants_make_valid_configs() -> None:
    for variant in (*VARIANTS, *EXTRA_VARIANTS, *grid()):
        config = variant.config(1)
        assert config.seed == 1
        assert variant.config(0, 2).epochs == 2
    (fixed,) = select_variants(["conv_fixed"])
    assert fixed.config(0).delays_from == fixed.config(0).epochs == 80
    assert fixed.config(0, 2).delays_from == 2
    assert Variant("late", "late", {"delays_from": 5}).config(0).delays_from == 5
    assert len({training_key(v.config(0), "d", v.teacher) for v in (*VARIANTS, *grid())}) == len(
        (*VARIANTS, *grid())
    )
    with refusal(UsageError, "unknown variant 'dens'; did you mean 'dense'.*allowed", 2):
        select_variants(["dens"])
    with refusal(UsageError, "no variant is named; allowed: feed_forward, ", 2):
        select_variants([])
    with refusal(UsageError, "no variant is named; at least one", 2):
        claims(toy_sets(), variants=())
    with refusal(UsageError, "seeds is 0; at least 1", 2):
        claims(toy_sets(), seeds=0)


def test_tables_hold_every_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(path: Path) -> dict[str, Any]:
        assert path.exists()
        return {"us_per_step": 0.5, "authors_us_per_step": 200.0, "skipped": None}

    monkeypatch.setattr(measure, "latency", timed)
    found = small_claims(tmp_path, with_latency=True)
    made = list(tables(found))
    assert [title.split()[0] for title, _, _, _ in made] == ["Accuracy", "Cost", "Time", "What"]
    for _, columns, rows, note in [*made, short(found)]:
        assert note == ""
        assert [row[0] for row in rows] == ["conv_delay", "dense_delay"]
        assert all(len(row) == len(columns) for row in rows)
    page = markdown(found, "delrec-compile claims DATA")
    assert "| conv_delay | 0.50 us | 200.00 us | 400x |" in page
    assert page.startswith("Made by `delrec-compile claims DATA` in ")
    assert "with 4 new trainings. 160 training samples; accuracies are of 40 test and 40" in page
    path = tmp_path / "page.md"
    path.write_text(
        "# A\n<!-- claims -->\nold\n<!-- end of claims -->\nkept\n"
        "<!-- claims: short -->\nold\n<!-- end of claims -->\nlast\n"
    )
    for _ in range(2):
        write(path, found, "claims")
        whole = path.read_text()
        assert whole.count("Made by `claims`") == 2
        assert whole.count("### ") == 4
        assert "\nold\n" not in whole
        assert whole.startswith("# A\n<!-- claims -->\nMade by")
        assert whole.endswith("<!-- end of claims -->\nlast\n")
    write(tmp_path / "new.md", found, "claims")
    assert (tmp_path / "new.md").read_text() == markdown(found, "claims")


def test_a_step_is_timed_in_both_forms(tmp_path: Path) -> None:
    pytest.importorskip("tvm")
    path = checkpoint.bundled()
    found = timing.latency(path, rounds=2)
    assert found["authors_form"] == "authors_conv"
    assert found["authors_us_per_step"] > 10 * found["us_per_step"] > 0


def test_a_network_that_the_samples_do_not_fit_has_no_time(tmp_path: Path) -> None:
    pytest.importorskip("tvm")
    path = checkpoint.save(train(toy_sets(), small()).network, tmp_path / "net.safetensors")
    found = timing.latency(path, rounds=1)
    assert found["us_per_step"] is None
    assert "samples have 140 channels, the network takes 12" in found["skipped"]
