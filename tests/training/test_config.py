"""Options of a training, its files, and how it goes on after it was cut off."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.training.config import TrainConfig


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"surrogate": "step"}, "surrogate is 'step'; allowed: atan, "),
        ({"schedule": "linear"}, "schedule is 'linear'; allowed: onecycle, cosine, constant"),
        ({"spread": "wide"}, "spread is 'wide'; allowed: shared, learned"),
        ({"spread": "learned", "recurrence": "none"}, "spread is learned, which the recurrence"),
        ({"l1": -1.0}, "l1 is -1.0; 0 or a positive number"),
        ({"rate_penalty": -1.0}, "rate_penalty is -1.0"),
        ({"blend": 1.0}, "blend is 1.0; a share"),
        ({"distill": 0.0}, "distill is 0.0; a share above 0"),
        ({"delays_from": -1}, "delays_from is -1; 0 or more"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with refusal(UsageError, message, 2):
        TrainConfig(**options)


def test_the_command_of_the_default_network_is_the_documented_one() -> None:
    assert TrainConfig().command() == (
        "delrec-compile train DATA --recurrence conv --hidden 256 --kernel 3 --max-delay 31 "
        "--epochs 160 --seed 0 -o conv_delay_256.safetensors"
    )
    assert "--kernel" not in TrainConfig(recurrence="dense").command()
    assert "--set dropout=0.1" in TrainConfig(dropout=0.1).command()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recurrence": "fourier"}, "'fourier'; allowed: conv, dense, synaptic, "),
        (
            {"taps": 2},
            "taps is 2, which the recurrence 'conv' does not have; allowed with tap_conv",
        ),
        ({"edges": "circular"}, "edges is circular, which the recurrence 'conv' does not have"),
        (
            {"recurrence": "channel_conv", "init": "zero"},
            "init is 'zero'; allowed: uniform, orthogonal",
        ),
        ({"recurrence": "channel_conv", "dilation": 0}, "dilation is 0; 1 or more is required"),
        ({"recurrence": "tap_conv", "channels": 5}, "hidden is 256; 5 channels of 1 rows need"),
        ({"hidden": 0}, "hidden is 0"),
        ({"heads": 0}, "heads is 0"),
        ({"layers": 0}, "layers is 0"),
        (
            {"recurrent_layers": "first"},
            "recurrent_layers is 'first'; allowed: last, all, after_first",
        ),
        (
            {"recurrent_layers": "after_first", "layers": 1},
            "recurrent_layers is 'after_first', but layers is 1; 2 or more are required",
        ),
        ({"heads": 2, "recurrence": "dense"}, "heads is 2, .* allowed with conv$"),
        ({"kernel": 4}, "odd number of taps"),
        ({"kernel": 5, "hidden": 2}, "odd number of taps"),
        ({"max_delay": -1}, "max_delay"),
        ({"max_delay": 4095}, "max_delay is 4095; allowed: 0 to 4094"),
        ({"recurrence": "conv2d", "taps": 4096}, "taps is 4096; allowed: 1 to 4095"),
        ({"kernel": 7, "recurrence": "dense"}, "kernel is 7, which .* allowed with conv, tap_conv"),
        ({"max_delay": 5, "recurrence": "conv2d"}, "max_delay is 5, which the recurrence 'conv2d'"),
        ({"epochs": 0}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, f"seed is {2**64}; allowed: 0 to {2**64 - 1}$"),
        ({"kernel": 10**30 + 1}, "kernel is 10*1; allowed: 1 to 2147483647"),
        ({"batch": 10**30}, "batch is 10*; allowed: 2 to 2147483647"),
        ({"batch": 1}, "batch"),
        ({"lr": 0.0}, "lr is"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"dropout": 1.0}, "dropout"),
        ({"frozen_tail": 1.0}, "frozen_tail"),
        ({"sigma": -1.0}, "sigma"),
        ({"tau": 0.5}, "tau"),
        ({"readout": "vote"}, "readout is 'vote'; allowed: leaky, linear, count, pool"),
        ({"decision": "first"}, "decision is 'first'; allowed: softmax_sum, mean, sum, last, max"),
        ({"reset": "late"}, "reset is 'late'; allowed: hard, soft, soft_later"),
        ({"fires": "below"}, "fires is 'below'; allowed: at, above"),
        ({"threshold": 0.0}, "threshold is 0.0"),
        ({"v_reset": 1.0}, "v_reset is 1.0; less than the threshold"),
        ({"gain": "leak", "tau": 1.0}, "gain is 'leak'"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainConfig(**options)
