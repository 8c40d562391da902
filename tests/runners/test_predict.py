"""Classes of samples: from artifacts and ONNX files, in one run of each sample."""

import numpy as np
import pytest

from delrec_compile.data.events import Events, save_samples
from delrec_compile.data.samples import read_samples
from delrec_compile.errors import DataError, InputError
from delrec_compile.network.taker import Taker
from delrec_compile.runners import predict
from delrec_compile.runners.open import OpenedModel, open_runner
from delrec_compile.runners.predict import run
from delrec_compile.runners.runner import KernelRunner, Trace


def test_run_gives_classes_and_accuracy(artifacts, samples, tmp_path):
    few = samples.take(range(10))
    answers = run(artifacts["conv_delay_256"], few)
    right = np.array(answers.classes) == few.labels
    assert answers.accuracy == right.mean()
    assert answers.labels[0] == "zero"
    save_samples(tmp_path / "few.npz", few)
    assert run(
        artifacts["conv_delay_256"] / "model.onnx", read_samples(tmp_path / "few.npz")
    ).classes == (answers.classes)


def test_samples_of_another_size_are_refused(artifacts, samples):
    narrow = Events(samples.counts[:, :, :70], samples.labels, samples.keys, None, 10.0)
    with pytest.raises(DataError, match="70 inputs per step, the network takes 140"):
        run(artifacts["conv_delay_256"], narrow)


def test_unknown_kinds_of_input(tmp_path):
    with pytest.raises(DataError, match=r"a file of samples \(\.npz"):
        read_samples(tmp_path / "samples.wav")
    with pytest.raises(InputError, match="not an artifact"):
        open_runner(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        open_runner(tmp_path / "none.onnx")


class Fake(KernelRunner):
    """Class 1 of three, always; counts the samples that each kernel runs."""

    name = "fake"

    def __init__(self):
        self.traced = self.untraced = 0

    def trace_once(self, x):
        self.traced += x.shape[1]
        y = np.zeros((*x.shape[:2], 3), np.float32)
        y[..., 1] = 1
        return Trace(y, (np.ones((*x.shape[:2], 4), np.uint8),))

    def outputs_of(self, x):
        self.untraced += x.shape[1]
        return self.trace_once(x).y


@pytest.fixture
def opened(monkeypatch):
    """Every path opens a model with a fake runner: the models that were opened."""
    models = []

    def open_fake(path):
        models.append(OpenedModel(Fake(), Taker(2, 3, 10.0, ("a", "b", "c")), "sum"))
        return models[-1]

    monkeypatch.setattr(predict, "open_runner", open_fake)
    return models


def some():
    counts = np.ones((5, 7, 2), np.uint8)
    return Events(counts, np.array([1, 1, 0, 2, 1]), ("a", "b", "c"), None, 10.0)


def test_each_sample_runs_once(opened):
    """Kernels are compared by `check`, not by every run."""
    predictions = run("path", some())
    assert predictions.classes == (1,) * 5
    assert (predictions.accuracy, predictions.spikes_per_step) == (3 / 5, 4)
    assert len(opened) == 1
    assert (opened[0].runner.traced, opened[0].runner.untraced) == (5, 0)


def test_a_path_is_opened_once(opened, tmp_path):
    """Opening may compile C sources or link a program for a chip."""
    save_samples(tmp_path / "some.npz", some())
    predictions = predict.predict("path", str(tmp_path / "some.npz"), 4)
    assert len(opened) == 1
    assert (opened[0].runner.traced, opened[0].runner.untraced) == (4, 0)
    assert predictions["samples"] == predictions["words"] == 4
    assert predictions["classes"] == (1,) * 4
