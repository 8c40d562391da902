"""The steps of a training in C: layers by them and by PyTorch, and machines without a compiler."""

from __future__ import annotations

import pytest
import torch
from fixtures.training import N, delays, drive, gradients, recurrent_weight, run

from delrec_compile.errors import ToolchainError
from delrec_compile.training import native
from delrec_compile.training.delay_lines import spread
from delrec_compile.training.neuron import Neuron, delayed_lif


@pytest.mark.parametrize("sigma", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("kind", ["dense", "conv3x1", "conv5x2", "conv17x1", "synaptic"])
@pytest.mark.parametrize("delay_kind", ["whole", "fractional"])
def test_layers_are_those_of_pytorch(
    kind: str, sigma: float, delay_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, compiled = [], native.library()
    assert compiled is not None
    for form in (compiled, None):
        monkeypatch.setattr(native, "library", lambda form=form: form)
        x, (weight, mix) = drive().float().requires_grad_(), recurrent_weight(kind)
        weight = weight.detach().float().requires_grad_()
        heads = {"conv5x2": 2, "synaptic": N}.get(kind, 1)
        delay = delays(delay_kind, heads).detach().float().requires_grad_()
        assert native.takes(x) == (form is not None)
        shares = spread(delay, sigma).transpose(0, 1)
        spikes = delayed_lif(x, Neuron(0.3), weight, shares, mix)
        made.append((spikes, gradients(spikes, [x, weight, delay])))
    (ours, own), (theirs, other) = made
    assert torch.equal(ours, theirs)
    for one, wanted in zip(own, other, strict=True):
        assert (one - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_without_a_compiler_a_training_takes_the_same_way(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ours = run(epochs=1).history[0]

    def fails(*_: object) -> None:
        raise ToolchainError("no C compiler found")

    monkeypatch.setattr(native.toolchain, "run_cc", fails)
    native.library.cache_clear()
    try:
        with caplog.at_level("INFO"):
            assert native.library() is None
        theirs = run(epochs=1).history[0]
    finally:
        native.library.cache_clear()
    assert "PyTorch alone: no C compiler found" in caplog.text
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)
