"""Which options of a training belong to which part."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.ops.registry import NEURONS
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.constants import RANGES
from delrec_compile.training.dynamics import DYNAMICS
from delrec_compile.training.parts import OPTIONS_OF, RESETS_OF
from delrec_compile.training.recurrent import MAKERS


def test_every_part_is_made() -> None:
    assert set(OPTIONS_OF["recurrence"]) == {*MAKERS, "none"}
    assert set(OPTIONS_OF["neuron"]) == {"lif", *DYNAMICS} == set(RESETS_OF)
    assert set(RANGES) == set(DYNAMICS) < set(NEURONS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"neuron": "izhikevich"}, "neuron is 'izhikevich'; allowed: lif, cuba_lif, alif, adlif"),
        ({"forward": "dense"}, "forward is 'dense'; allowed: none, dense_delay, synaptic_delay, "),
        ({"b": 2.0}, "b is 2.0, which the neuron 'lif' does not have; allowed with neuron adlif"),
        ({"neuron": "adlif", "betas": "learned"}, "betas is learned, which the neuron 'adlif'"),
        ({"constants": "learned"}, "constants is learned, which the neuron 'lif' does not have"),
        ({"forward_heads": 2}, "forward_heads is 2, which the forward 'none' does not have"),
        (
            {"recurrence": "none", "spread": "learned"},
            "spread is learned, which the recurrence 'none' and the forward 'none' do not have; "
            "allowed with conv, dense, synaptic, tap_conv, channel_conv; or forward dense_delay, ",
        ),
        ({"neuron": "adlif", "reset": "soft_later"}, "allowed with the neuron 'adlif': hard, soft"),
        ({"reset": "adapted"}, "reset is 'adapted'; allowed with the neuron 'lif': hard, soft, "),
        ({"forward": "channel_conv_delay"}, "name these by frontend, such as frontend=8x5/2"),
        (
            {"neuron": "adlif", "constants": "learned", "a": 0.5},
            "a is 0.5; with constants=learned it is drawn for each neuron",
        ),
        ({"neuron": "adlif", "a": float("nan")}, "a is nan; a finite number"),
        ({"neuron": "cuba_lif", "tau_syn": 0.5}, "tau_syn is 0.5; 1 step or more"),
        ({"input_bits": 16}, "input_bits is 16; allowed: -1 to 15"),
        ({"forward": "dense_delay", "forward_delay": 5000}, "forward_delay is 5000; allowed: 1 to"),
    ],
)
def test_options_that_no_chosen_part_has_are_refused(options: dict[str, Any], message: str) -> None:
    with refusal(UsageError, message, 2):
        TrainConfig(**options)


def test_options_of_either_part_are_taken() -> None:
    config = TrainConfig(recurrence="none", forward="dense_delay", spread="learned", delays_from=2)
    assert "--set forward=dense_delay" in config.command()
    assert "--set spread=learned" in config.command()
    assert config.live_epochs == 128
    assert TrainConfig(recurrence="none").live_epochs == 160
