"""Parts of a network that a training offers, the options of each, and which options fit together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from delrec_compile.errors import UsageError
from delrec_compile.ops.lif import RESETS

if TYPE_CHECKING:
    from delrec_compile.training.config import TrainConfig

_DELAYS = ("max_delay", "spread", "delays_from", "interpolation")
_FORWARD = ("forward_delay", "forward_layers", "spread", "delays_from", "interpolation")
# part -> its choices -> the options that each has and others may lack
OPTIONS_OF: dict[str, dict[str, tuple[str, ...]]] = {
    "recurrence": {  # `recurrent.MAKERS` makes each
        "conv": ("kernel", "heads", *_DELAYS, "l1"),
        "dense": (*_DELAYS, "l1"),
        "synaptic": (*_DELAYS, "l1"),
        "tap_conv": ("kernel", "channels", "taps", "whole_delays", *_DELAYS, "l1"),
        "conv2d": ("kernel", "channels", "taps", "height", "l1"),
        "channel_conv": ("kernel", "channels", "edges", "dilation", "init", *_DELAYS, "l1"),
        "none": (),
    },
    "forward": {  # `forward.make` makes each
        "none": (),
        "dense_delay": (*_FORWARD, "forward_heads"),
        "synaptic_delay": _FORWARD,
        "channel_conv_delay": _FORWARD,
    },
    "neuron": {  # `constants.NeuronConstants` makes all but lif
        "lif": ("betas",),
        "cuba_lif": ("constants", "tau_syn", "enters"),
        "alif": ("constants", "tau_adapt", "jump"),
        "adlif": ("constants", "tau_adapt", "a", "b", "order"),
    },
}
RESETS_OF = {
    "lif": RESETS,
    "cuba_lif": RESETS,
    "alif": ("hard", "adapted", "base"),
    "adlif": ("hard", "soft"),
}
INTERPOLATIONS = ("triangle", "gauss")
DRAWN = ("tau_adapt", "a", "b")  # of adlif: drawn for each neuron where constants are learned


def having(part: str, option: str) -> tuple[str, ...]:
    """The choices of a part that have an option."""
    return tuple(choice for choice, options in OPTIONS_OF[part].items() if option in options)


def fits(config: TrainConfig, option: str) -> bool:
    """Whether a chosen part has the option, or no part is asked for it."""
    parts = [part for part in OPTIONS_OF if having(part, option)]
    return not parts or any(getattr(config, part) in having(part, option) for part in parts)


def check(config: TrainConfig) -> None:
    """Raises UsageError for options that do not fit each other."""
    _check_sizes(config)
    for name in config.changed():
        if not fits(config, name):
            _refuse(config, name)
    if config.reset not in RESETS_OF[config.neuron]:
        raise UsageError(
            f"reset is '{config.reset}'; allowed with the neuron '{config.neuron}': "
            f"{', '.join(RESETS_OF[config.neuron])}"
        )
    if config.forward == "channel_conv_delay" and not config.frontend:
        raise UsageError(
            "forward is 'channel_conv_delay', delays of convolutional layers; name these by frontend, "
            "such as frontend=8x5/2"
        )
    if config.neuron == "adlif" and config.constants == "learned":
        for name in DRAWN:
            if name in config.changed():
                raise UsageError(
                    f"{name} is {getattr(config, name)}; with constants=learned it is drawn for each "
                    "neuron from its published range"
                )
    _check_leaks(config)


def _refuse(config: TrainConfig, name: str) -> None:
    """Raises UsageError: the chosen parts do not have the option."""
    parts = [part for part in OPTIONS_OF if having(part, name)]
    chosen = " and the ".join(f"{part} '{getattr(config, part)}'" for part in parts)
    allowed = "; or ".join(
        f"{'' if part == 'recurrence' else part + ' '}{', '.join(having(part, name))}"
        for part in parts
    )
    verb = "does" if len(parts) == 1 else "do"
    raise UsageError(
        f"{name} is {getattr(config, name)}, which the {chosen} {verb} not have; "
        f"allowed with {allowed}"
    )


def _check_sizes(config: TrainConfig) -> None:
    if config.kernel < 1 or config.kernel % 2 == 0 or config.kernel > 2 * config.hidden - 1:
        raise UsageError(
            f"kernel is {config.kernel}; an odd number of taps, such as 3, is required"
        )
    if config.recurrent_layers == "after_first" and config.layers == 1:
        raise UsageError(
            "recurrent_layers is 'after_first', but layers is 1; 2 or more are required"
        )
    rows = config.channels * config.height
    if config.hidden % rows:
        raise UsageError(
            f"hidden is {config.hidden}; {config.channels} channels of {config.height} rows need a "
            f"multiple of {rows}"
        )


def _check_leaks(config: TrainConfig) -> None:
    if not 0 < config.distill <= 1:
        raise UsageError(f"distill is {config.distill}; a share above 0, up to 1, is required")
    for name in ("tau", "tau_syn", "tau_adapt"):
        if not 1 <= getattr(config, name) < math.inf:
            raise UsageError(f"{name} is {getattr(config, name)}; 1 step or more is required")
    if not math.isfinite(config.a):
        raise UsageError(f"a is {config.a}; a finite number is required")
    if not -math.inf < config.v_reset < config.threshold:
        raise UsageError(f"v_reset is {config.v_reset}; less than the threshold is required")
    if config.gain == "leak" and (config.tau == 1 or config.betas == "learned"):
        raise UsageError("gain is 'leak', 1 - beta; allowed with a fixed beta of tau above 1")
