"""Options of a training run, checked when the config is made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from delrec_compile.errors import UsageError
from delrec_compile.network.grid import AUTO, GRIDS
from delrec_compile.ops.checks import MAX_DELAY
from delrec_compile.ops.lif import FIRES, RESETS
from delrec_compile.ops.readout import DECISIONS
from delrec_compile.ops.registry import READOUTS
from delrec_compile.training import config_file
from delrec_compile.training.surrogate import SURROGATES

_DELAYS = ("max_delay", "spread", "delays_from")
# recurrence -> the options that it has and others may lack; `recurrent.MAKERS` makes each
_OPTIONS_OF: dict[str, tuple[str, ...]] = {
    "conv": ("kernel", "heads", *_DELAYS, "l1"),
    "dense": (*_DELAYS, "l1"),
    "synaptic": (*_DELAYS, "l1"),
    "tap_conv": ("kernel", "channels", "taps", "whole_delays", *_DELAYS, "l1"),
    "conv2d": ("kernel", "channels", "taps", "height", "l1"),
    "none": (),
}
RECURRENCES = tuple(_OPTIONS_OF)
_RECURRENCES_WITH = {
    option: tuple(r for r, options in _OPTIONS_OF.items() if option in options)
    for option in dict.fromkeys(o for options in _OPTIONS_OF.values() for o in options)
}
_IN_COMMAND = ("recurrence", "hidden", "kernel", "max_delay", "epochs", "seed")
_CHOICES = {"recurrence": RECURRENCES, "recurrent_layers": ("last", "all")}
_CHOICES |= {
    "readout": (*READOUTS, "pool"),
    "decision": DECISIONS,
    "fires": FIRES,
    "reset": RESETS,
    "gain": ("one", "leak"),
    "betas": ("fixed", "learned"),
    "surrogate": tuple(SURROGATES),
    "schedule": ("onecycle", "cosine", "constant"),
    "spread": ("shared", "learned"),
    "grid": (AUTO, *GRIDS),
}
_MINIMUM = {
    "hidden": 1,
    "heads": 1,
    "layers": 1,
    "max_delay": 0,
    "epochs": 1,
    "seed": 0,
    "steps": 1,
    "batch": 2,
}
_MINIMUM |= {"shift_steps": 0, "shift_channels": 0, "group": 1, "threads": 1}
_MINIMUM |= {"channels": 1, "height": 1, "taps": 1, "whole_delays": 0}
_MINIMUM |= {"frontend_height": 1, "delays_from": 0}
_INT32_MAX = 2**31 - 1  # the maximum of the other integers
_MAXIMUM = {"seed": 2**64 - 1, "max_delay": MAX_DELAY, "taps": MAX_DELAY + 1}
_POSITIVE = ("lr", "delay_lr", "clip", "alpha", "dt_ms", "threshold")
_SHARES = ("dropout", "frozen_tail", "blend")
_FROM_ZERO = ("sigma", "weight_decay", "l1", "rate_penalty", "backflow")


@dataclass(frozen=True)
class TrainConfig:
    """Options of `train`. Raises UsageError for an invalid one."""

    # "conv": kernel and delays; "dense": matrix and delays; "synaptic": a delay per weight;
    # "tap_conv": delays shared by all neurons, a kernel each; "conv2d": the same on maps; "none"
    recurrence: str = "conv"
    hidden: int = 256  # neurons per layer
    kernel: int = 3  # taps of the conv recurrence, odd
    heads: int = 1  # kernels of the conv recurrence, each with its own delays
    taps: int = 4  # delays of the tap_conv and conv2d recurrences
    channels: int = 1  # channels of their maps
    height: int = 1  # rows of a map of the conv2d recurrence
    whole_delays: int = 1  # 0: delays of tap_conv stay real numbers, and each becomes two taps
    frontend: str = ""  # convolutional layers before the others, such as 8x5/2,16x3
    frontend_height: int = 1  # rows of the maps that the input channels form
    layers: int = 2  # spiking layers
    recurrent_layers: str = "last"  # which of them are recurrent: "last" or "all"
    max_delay: int = 31  # steps; 0: a recurrence without delays
    epochs: int = 160
    seed: int = 0
    lr: float = 2e-3  # peak of the schedule
    schedule: str = "onecycle"  # schedule of lr; also "cosine" from the peak to 0, "constant"
    delay_lr: float = 0.1  # learning rate of the delays, in steps; cosine to 0
    delays_from: int = 0  # epochs before the delays begin to learn
    dropout: float = 0.3  # share of dropped neurons; one mask for all time steps
    frozen_tail: float = (
        0.2  # share of the epochs, the last ones, with integer delays and no spread
    )
    sigma: float = 10.0  # first spread of the delays, in steps; falls in every epoch
    spread: str = "shared"  # or "learned": sigma by a factor of 0 to 2 for each delay
    batch: int = 64
    clip: float = 1.0  # maximum norm of the gradient
    weight_decay: float = 1e-5
    l1: float = 0.0  # factor of the L1 norm of the recurrent weights
    rate_penalty: float = 0.0  # factor of half the spikes per neuron and step, mean over layers
    teacher: str = ""  # a trained network, whose outputs become soft targets
    distill: float = 0.5  # their share of the loss
    tau: float = 1.05  # steps; the membrane is multiplied by 1 - 1/tau per step
    betas: str = "fixed"  # factor of the membrane: "fixed" by tau, or "learned" for each neuron
    threshold: float = 1.0
    v_reset: float = 0.0  # membrane after a hard reset
    gain: str = "one"  # factor of the current: "one", or "leak", 1 - beta
    readout: str = "leaky"  # "linear", "count" of spikes, weighted, or "pool": a group per class
    decision: str = "softmax_sum"  # from outputs over time to a class: ops/readout.py
    fires: str = "at"  # "at" the threshold, or only "above" it
    # "hard" sets v_reset, "soft" subtracts the threshold, "soft_later" does so one step later
    reset: str = "hard"
    surrogate: str = "atan"  # stands for the derivative of a spike: training/surrogate.py
    alpha: float = 5.0  # steepness of the surrogate
    backflow: float = 1.0  # share of the gradient that flows back through the recurrence
    shift_steps: int = 8  # augmentation: largest shift in time, either way
    shift_channels: int = 4  # augmentation: largest shift along the input channels, either way
    blend: float = 0.0  # augmentation: share of the samples mixed with another of their class
    steps: int = 80  # time steps of a sample
    dt_ms: float = 10.0
    group: int = 5  # units summed into one input channel
    threads: int = 1  # threads of torch; results depend on it in the last bit
    # of the frozen weights: "int16", "fine", or "auto", fine for the layers that then lose fewer spikes
    grid: str = "int16"
    device: str = "cpu"  # device of torch, such as cuda

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UsageError(
                    f"{name} is '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        for name, minimum in _MINIMUM.items():
            if getattr(self, name) < minimum:
                raise UsageError(f"{name} is {getattr(self, name)}; {minimum} or more is required")
        for name in (n for n, kind in _kinds().items() if kind is int):
            maximum = _MAXIMUM.get(name, _INT32_MAX)
            if getattr(self, name) > maximum:
                minimum = _MINIMUM.get(name, 1)
                raise UsageError(
                    f"{name} is {getattr(self, name)}; allowed: {minimum} to {maximum}"
                )
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; a positive number is required")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"{name} is {getattr(self, name)}; a share from 0 to below 1 is required"
                )
        for name in _FROM_ZERO:
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(
                    f"{name} is {getattr(self, name)}; 0 or a positive number is required"
                )
        self._check_combinations()

    def _check_combinations(self) -> None:
        """Raises UsageError for options that do not fit each other."""
        if self.kernel < 1 or self.kernel % 2 == 0 or self.kernel > 2 * self.hidden - 1:
            raise UsageError(
                f"kernel is {self.kernel}; an odd number of taps, such as 3, is required"
            )
        for name, recurrences in _RECURRENCES_WITH.items():
            if self._changed(name) and self.recurrence not in recurrences:
                raise UsageError(
                    f"{name} is {getattr(self, name)}, which the recurrence '{self.recurrence}' "
                    f"does not have; allowed with {', '.join(recurrences)}"
                )
        if not 0 < self.distill <= 1:
            raise UsageError(f"distill is {self.distill}; a share above 0, up to 1, is required")
        if self.hidden % (self.channels * self.height):
            raise UsageError(
                f"hidden is {self.hidden}; {self.channels} channels of {self.height} rows need a "
                f"multiple of {self.channels * self.height}"
            )
        if not 1 <= self.tau < math.inf:
            raise UsageError(f"tau is {self.tau}; 1 step or more is required")
        if not -math.inf < self.v_reset < self.threshold:
            raise UsageError(f"v_reset is {self.v_reset}; less than the threshold is required")
        if self.gain == "leak" and (self.tau == 1 or self.betas == "learned"):
            raise UsageError("gain is 'leak', 1 - beta; allowed with a fixed beta of tau above 1")

    @classmethod
    def with_options(
        cls, options: Iterable[str] = (), file: str | Path | None = None, **values: Any
    ) -> TrainConfig:
        """Config from a TOML file, then `name=value` texts, then `values` that are not None.

        Later ones replace earlier ones. Raises UsageError for an invalid one.
        """
        merged = config_file.read(file, _kinds()) if file is not None else {}
        merged |= config_file.parse(options, _kinds())
        return cls(**merged | {name: value for name, value in values.items() if value is not None})

    @property
    def beta(self) -> float:
        """Share of the membrane that is left after one step."""
        return 1 - 1 / self.tau

    @property
    def live_epochs(self) -> int:
        """Number of epochs in which delays learn; the others train the frozen form."""
        if self.recurrence in ("none", "conv2d") or self.max_delay == 0:
            return self.epochs
        return max(1, math.ceil(self.epochs * (1 - self.frozen_tail) - 1e-9))

    @property
    def name(self) -> str:
        """`conv_delay_256`, `dense_256`, `feed_forward_256`."""
        if self.recurrence == "none":
            return f"feed_forward_{self.hidden}"
        heads = f"_{self.heads}_heads" if self.heads > 1 else ""
        delayed = self.max_delay or self.recurrence in ("tap_conv", "conv2d")
        return f"{self.recurrence}{'_delay' if delayed else ''}_{self.hidden}{heads}"

    def command(self, data: str = "DATA") -> str:
        """The command line that trains this network."""
        names = [f.name for f in fields(self) if f.name in _IN_COMMAND or self._changed(f.name)]
        own = (self.recurrence,)
        names = [n for n in names if self.recurrence in _RECURRENCES_WITH.get(n, own)]
        options = [
            f"--{name.replace('_', '-')} {getattr(self, name)}"
            if name in _IN_COMMAND
            else f"--set {name}={getattr(self, name)}"
            for name in names
        ]
        return f"delrec-compile train {data} {' '.join(options)} -o {self.name}.safetensors"

    def changed(self) -> dict[str, Any]:
        """Options that differ from their defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if self._changed(f.name)}

    def _changed(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(type(self), name))


def _kinds() -> dict[str, type]:
    return {f.name: type(f.default) for f in fields(TrainConfig)}
