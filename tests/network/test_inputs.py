"""The inputs of a network: every source, at its own width and step, or refused before long work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.shd import write
from helpers import refusal

from delrec_compile.data.events import Events, save_samples
from delrec_compile.data.samples import bundled_file, read_samples
from delrec_compile.errors import DataError, UsageError
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import Reading, read_inputs, stored
from delrec_compile.network.reading import with_reading
from delrec_compile.network.taker import Taker

NETWORK = cases.network("mixed")  # 14 inputs, max_input 2, 10 ms
COUNTS = np.random.default_rng(0).integers(0, 3, (3, 6, 14)).astype(np.uint8)


def taker(**fields) -> Taker:
    return Taker(**{"inputs": 140, "outputs": 20, "dt_ms": 10.0, **fields})


def test_bundled_samples_are_taken_where_they_fit() -> None:
    found = read_inputs(checkpoint.load())
    assert found.remark == ""
    assert found.samples.labels is not None
    with stored(checkpoint.load(), "auto") as name:
        assert name == str(bundled_file())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"inputs": 8}, "the bundled samples have 140 inputs, the network takes 8"),
        ({"dt_ms": 1.0}, "steps of 10 ms, the network of 1 ms"),
        ({"max_input": 1}, "the network takes up to 1"),
    ],
)
def test_random_samples_stand_in_and_one_line_says_so(fields, why: str) -> None:
    found = read_inputs(taker(**fields))
    assert found.remark.startswith("inputs: 8 random samples of 100 steps, density 0.12, seed 0")
    assert why in found.remark
    assert found.samples.labels is None
    assert found.samples.counts.max() <= fields.get("max_input", 255)


def test_random_samples_make_a_network_fire() -> None:
    found = read_inputs(NETWORK)
    assert "of the hidden neurons fire in a step" in found.remark
    silent = replace(NETWORK, layers=tuple(_quiet(layer) for layer in NETWORK.layers))
    assert "no neuron fires on them, nor at any other density" in read_inputs(silent).remark


def _quiet(layer):
    return replace(layer, weight=layer.weight * 0, bias=layer.bias * 0, recurrence=None)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("random", "density 0.12, seed 0"),
        ("random:7", "density 0.12, seed 7"),
        ("random:0.3", "density 0.3, seed 0"),
        ("random:0.3:7", "density 0.3, seed 7"),
        ("random:0.3:1", "density 0.3, seed 1"),
        ("random:1", "density 1, seed 0"),
        ("random:1:2", "density 1, seed 2"),
    ],
)
def test_density_and_seed_are_told_apart(source: str, text: str) -> None:
    assert text in read_inputs(taker(), source).remark


@pytest.mark.parametrize(
    "source",
    ["random:x", "random:0.1:x", "random:0.1:7:9", "random:7:0.1", "random:2.5", "random:0"],
)
def test_options_of_random_that_are_none_are_refused(source: str) -> None:
    if source == "random:0":
        assert "seed 0" in read_inputs(taker(), source).remark
        return
    with pytest.raises(UsageError):
        read_inputs(taker(), source)


@pytest.mark.parametrize("suffix", ["npz", "npy", "csv"])
def test_a_file_of_counts_without_labels_and_step_is_taken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        np.savetxt(path, COUNTS[0], "%d", ",")
    else:
        {"npz": np.savez, "npy": np.save}[suffix](path, COUNTS[0])
    found = read_inputs(replace(NETWORK, dt_ms=2.5), path)
    assert np.array_equal(found.samples.counts, COUNTS[:1])
    assert (found.samples.dt_ms, found.samples.labels) == (2.5, None)
    assert found.remark == f"inputs: 1 sample of {path}, 6 steps of 2.5 ms"


def test_an_array_is_taken_and_checked() -> None:
    assert np.array_equal(read_inputs(NETWORK, COUNTS.astype(float)).samples.counts, COUNTS)
    with refusal(DataError, "sample 0, step 0, input 0 is 0.5, which is no count", 3):
        read_inputs(NETWORK, np.full((2, 3, 14), 0.5))
    with refusal(DataError, "is -1, which is no count", 3):
        read_inputs(NETWORK, np.full((2, 3, 14), -1))


def test_another_width_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", COUNTS[:, :, :9])
    with refusal(DataError, "a.npy has 9 inputs per step, the network takes 14", 3):
        read_inputs(NETWORK, tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", COUNTS.transpose(0, 2, 1))
    with refusal(DataError, r"6 inputs.*\(samples, steps, inputs\), in this order: transpose", 3):
        read_inputs(NETWORK, tmp_path / "a.npy")


def test_arrays_that_nothing_takes_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=COUNTS, label=[0, 1, 1], dt=1.0)
    found = read_inputs(NETWORK, tmp_path / "a.npz")
    assert found.remark.endswith("a.npz, 6 steps of 10 ms; not read: dt, label")


def test_a_count_above_the_largest_is_named() -> None:
    counts = COUNTS.copy()
    counts[2, 4, 5] = 9
    with refusal(
        DataError, "sample 2, step 4, input 5 is a count of 9; the network takes up to 2", 3
    ):
        read_inputs(NETWORK, counts)


def test_shorter_steps_are_summed_to_the_networks(tmp_path: Path) -> None:
    ones = np.ones((1, 5, 14), np.uint8)
    save_samples(tmp_path / "a.npz", Events(ones, None, None, None, 5.0))
    found = read_inputs(NETWORK, tmp_path / "a.npz")
    assert found.samples.counts[0, :, 0].tolist() == [2, 2, 1]
    assert "its steps of 5 ms are summed to the network's 10 ms" in found.remark


@pytest.mark.parametrize("dt_ms", [20.0, 3.0])
def test_steps_that_cannot_be_converted_are_refused(tmp_path: Path, dt_ms: float) -> None:
    path = tmp_path / "a.npz"
    save_samples(path, Events(COUNTS, None, None, None, dt_ms))
    with refusal(DataError, f"steps of {dt_ms:g} ms, the network's are of 10 ms.*--dt-ms 10", 3):
        read_inputs(NETWORK, path)
    found = read_inputs(NETWORK, path, Reading(dt_ms=10.0))
    assert np.array_equal(found.samples.counts, COUNTS)
    assert f"steps of {dt_ms:g} ms; taken as steps of 10 ms" in found.remark


def spikes(tmp_path: Path) -> Path:
    return write(tmp_path / "a.h5", [([0.3, 0.304, 0.5], [0, 60, 699])], [1], times=np.float64)


@pytest.mark.parametrize("dt_ms", [1.0, 10.0, 100.0])
def test_h5_files_are_binned_at_the_networks_own_step(tmp_path: Path, dt_ms: float) -> None:
    found = read_inputs(taker(dt_ms=dt_ms), spikes(tmp_path))
    assert found.samples.dt_ms == dt_ms
    assert found.samples.counts[0].any(1).nonzero()[0].tolist() == sorted(
        {int(300 / dt_ms), int(304 / dt_ms), int(500 / dt_ms)}
    )
    assert f"steps of {dt_ms:g} ms" in found.remark


def test_steps_are_stated_or_the_networks_or_the_longest(tmp_path: Path) -> None:
    path = spikes(tmp_path)
    assert read_inputs(taker(), path).samples.steps == 51
    assert read_inputs(taker(steps=80), path).samples.steps == 80
    assert read_inputs(taker(steps=80), path, Reading(steps=40)).samples.steps == 40
    assert "33.3% of the spikes come later" in read_inputs(taker(steps=40), path).remark


def test_alignment_and_lead_are_stated_or_the_networks(tmp_path: Path) -> None:
    path = spikes(tmp_path)
    aligned = read_inputs(taker(), path, Reading(align_first_spike=True))
    assert aligned.samples.counts[0].any(1).nonzero()[0].tolist() == [0, 20]
    kept = replace(taker(), align_first_spike=True, lead=1)
    assert read_inputs(kept, path).samples.counts[0].any(1).nonzero()[0].tolist() == [1, 21]
    network = with_reading(checkpoint.load(), Reading(align_first_spike=True))
    assert read_inputs(network, path).samples.counts[0, 0].any()


def test_the_bins_of_ssc_are_reproduced(tmp_path: Path) -> None:
    """np.digitize over linspace(0, 1.4, 250): one step later than counting from 0."""
    times = np.sort(np.random.default_rng(0).uniform(0, 1.39, 300))
    path = write(tmp_path / "a.h5", [(times, np.zeros(300, int))], [0], times=np.float64)
    found = read_inputs(taker(dt_ms=1400 / 249), path, Reading(steps=251, lead=1))
    want = np.bincount(np.digitize(times, np.linspace(0, 1.4, 250)), minlength=251)
    assert found.samples.counts[0, :, 0].tolist() == want.tolist()


def test_another_binning_than_the_networks_is_told(tmp_path: Path) -> None:
    found = read_inputs(taker(), spikes(tmp_path), Reading(dt_ms=5.0))
    assert found.samples.dt_ms == 5.0
    assert "the network's own step is 10 ms: it was not made for this binning" in found.remark


def test_units_are_summed_to_the_networks_width(tmp_path: Path) -> None:
    assert read_inputs(taker(inputs=700), spikes(tmp_path)).samples.channels == 700
    with refusal(DataError, "700 units, the network takes 24 inputs; only a divisor of 700", 3):
        read_inputs(taker(inputs=24), spikes(tmp_path))


@pytest.mark.parametrize("inputs", [8, 140, 700])
@pytest.mark.parametrize("suffix", ["h5", "hdf5", "npz", "npy", "csv"])
def test_a_file_that_is_missing_is_told_before_its_shape(inputs: int, suffix: str) -> None:
    with refusal(DataError, f"missing.{suffix}: no such file", 3):
        read_inputs(taker(inputs=inputs), f"missing.{suffix}")


def test_text_by_the_name_of_spike_data_has_no_units(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_text("times")
    with pytest.raises(DataError) as error:
        read_inputs(taker(inputs=8), tmp_path / "x.h5")
    assert "units" not in str(error.value)


def test_options_of_h5_files_are_refused_for_counts(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", COUNTS)
    with refusal(UsageError, "--steps is of .h5 files", 2):
        read_inputs(NETWORK, tmp_path / "a.npy", Reading(steps=3))


def test_a_folder_stands_for_its_test_set(tmp_path: Path) -> None:
    write(tmp_path / "digits_test.h5", [([0.3], [0])], [0])
    assert len(read_inputs(taker(), tmp_path).samples) == 1
    write(tmp_path / "other_test.h5", [([0.3], [0])], [0])
    with refusal(DataError, r"one \*_test.h5 in it is required", 3):
        read_inputs(taker(), tmp_path)


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"labels": ("x", "y")}, ("a", "b")),  # other names
        ({"outputs": 1}, None),  # a label without an output
        ({"outputs": 3}, ("a", "b")),  # two names for three outputs
    ],
)
def test_labels_of_another_set_give_no_accuracy(fields, keys) -> None:
    events = Events(COUNTS, np.array([0, 1, 1]), keys, None, 10.0)
    found = read_inputs(taker(**{"inputs": 14, **fields}), events)
    assert found.samples.labels is None
    assert "its labels are of another set than the network's classes: no accuracy" in found.remark


def test_labels_of_the_networks_own_classes_stay() -> None:
    events = Events(COUNTS, np.array([0, 1, 1]), ("a", "b"), None, 10.0)
    for fields in ({"labels": ("a", "b"), "outputs": 2}, {"outputs": 2}, {"outputs": None}):
        assert read_inputs(taker(**{"inputs": 14, **fields}), events).samples.labels is not None


def test_bundled_labels_mean_nothing_to_a_network_without_class_names() -> None:
    found = read_inputs(replace(checkpoint.load(), labels=()))
    assert (found.samples.labels, found.remark) == (None, "")


def test_a_child_reads_what_was_stored(tmp_path: Path) -> None:
    with stored(NETWORK, COUNTS, 2) as name:
        read = read_samples(name)
        assert np.array_equal(read.counts, COUNTS[:2])
        assert (read.labels, read.dt_ms) == (None, 10.0)
    assert not Path(name).exists()


def test_steps_are_joined_where_their_counts_fit() -> None:
    network = replace(cases.network("dense"), max_input=255)
    counts = np.full((1, 3, network.inputs), 200, np.uint8)
    fine = Events(counts, None, None, None, network.dt_ms / 2)
    with refusal(DataError, r"a step of 10 ms has 400 spikes; at most 255 fit", 3):
        read_inputs(network, fine)
    joined = read_inputs(network, replace(fine, counts=counts // 2)).samples
    assert joined.counts[0, :, 0].tolist() == [200, 100]
    odd = replace(fine, dt_ms=network.dt_ms / 1.5)
    with refusal(DataError, "bin the samples at its step, or run their steps as they are", 3):
        read_inputs(network, odd)
