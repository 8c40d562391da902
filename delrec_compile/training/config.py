"""What a training run is told, checked when it is made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from delrec_compile.errors import UsageError
from delrec_compile.ops.checks import MAX_DELAY
from delrec_compile.ops.lif import FIRES, RESETS
from delrec_compile.ops.readout import DECISIONS, KINDS
from delrec_compile.training import config_file

SURROGATES = ("atan", "sigmoid", "fast_sigmoid", "triangle", "box", "gaussian")
RECURRENCES = ("conv", "dense", "synaptic", "tap_conv", "conv2d", "none")
_IN_COMMAND = ("recurrence", "hidden", "kernel", "max_delay", "epochs", "seed")
_CHOICES = {"recurrence": RECURRENCES, "recurrent_layers": ("last", "all")}
_CHOICES |= {
    "readout": (*KINDS, "pool"),
    "decision": DECISIONS,
    "fires": FIRES,
    "reset": RESETS,
    "gain": ("one", "leak"),
    "betas": ("fixed", "learned"),
    "surrogate": SURROGATES,
    "schedule": ("onecycle", "cosine", "constant"),
    "spread": ("shared", "learned"),
}
_AT_LEAST = {
    "hidden": 1,
    "heads": 1,
    "layers": 1,
    "max_delay": 0,
    "epochs": 1,
    "seed": 0,
    "steps": 1,
    "batch": 2,
}
_AT_LEAST |= {"shift_steps": 0, "shift_channels": 0, "group": 1, "threads": 1}
_AT_LEAST |= {"channels": 1, "height": 1, "taps": 1, "whole_delays": 0}
_AT_LEAST |= {"frontend_height": 1, "delays_from": 0}
_WHOLE = 2**31 - 1  # the largest of the others
_AT_MOST = {"seed": 2**64 - 1, "max_delay": MAX_DELAY, "taps": MAX_DELAY + 1}
# options that only some recurrences have
_ONLY = {
    "kernel": ("conv", "tap_conv", "conv2d"),
    "heads": ("conv",),
    "channels": ("tap_conv", "conv2d"),
    "taps": ("tap_conv", "conv2d"),
    "height": ("conv2d",),
    "whole_delays": ("tap_conv",),
    "max_delay": ("conv", "dense", "synaptic", "tap_conv"),
    "spread": ("conv", "dense", "synaptic", "tap_conv"),
    "delays_from": ("conv", "dense", "synaptic", "tap_conv"),
    "l1": ("conv", "dense", "synaptic", "tap_conv", "conv2d"),
}
_POSITIVE = ("lr", "delay_lr", "clip", "alpha", "dt_ms", "threshold")
_SHARES = ("dropout", "frozen_tail", "blend")
_FROM_ZERO = ("sigma", "weight_decay", "l1", "rate_penalty", "backflow")


@dataclass(frozen=True)
class TrainConfig:
    """Options of `train`; UsageError when one makes no sense."""

    # "conv": kernel and delays; "dense": matrix and delays; "synaptic": a delay per weight;
    # "tap_conv": delays shared by all neurons, a kernel each; "conv2d": the same on maps; "none"
    recurrence: str = "conv"
    hidden: int = 256  # neurons per layer
    kernel: int = 3  # taps of the conv recurrence, odd
    heads: int = 1  # of the conv recurrence: kernels, each with delays of its own
    taps: int = 4  # delays of a tap_conv or conv2d recurrence
    channels: int = 1  # of its maps
    height: int = 1  # rows of a map of conv2d
    whole_delays: int = 1  # 0: delays of tap_conv stay real numbers, each becomes two taps
    frontend: str = ""  # convolutional layers before the others, such as 8x5/2,16x3
    frontend_height: int = 1  # rows of the maps that the input channels form
    layers: int = 2  # spiking layers
    recurrent_layers: str = "last"  # which of them are recurrent: "last" or "all"
    max_delay: int = 31  # steps; 0: a recurrence without delays
    epochs: int = 160
    seed: int = 0
    lr: float = 2e-3  # peak of the schedule
    schedule: str = "onecycle"  # of lr: "onecycle", "cosine" from the peak to 0, or "constant"
    delay_lr: float = 0.1  # in steps; cosine to 0
    delays_from: int = 0  # epochs before the delays begin to learn
    dropout: float = 0.3  # one mask for all time steps
    frozen_tail: float = 0.2  # last share of the epochs: whole delays, no spread
    sigma: float = 10.0  # first spread of the delays, in steps; falls in every epoch
    spread: str = "shared"  # or "learned": sigma by a factor of 0 to 2 for each delay
    batch: int = 64
    clip: float = 1.0  # norm of the gradient
    weight_decay: float = 1e-5
    l1: float = 0.0  # of the sum of the recurrent weights' sizes
    rate_penalty: float = 0.0  # of half the spikes per neuron and step, mean over the layers
    teacher: str = ""  # a trained network, whose outputs become soft targets
    distill: float = 0.5  # their share of the loss
    tau: float = 1.05  # membrane keeps 1 - 1/tau per step
    betas: str = "fixed"  # what a membrane keeps: "fixed" by tau, or "learned" for each neuron
    threshold: float = 1.0
    v_reset: float = 0.0  # membrane after a hard reset
    gain: str = "one"  # of the current: "one", or "leak", 1 - beta
    readout: str = "leaky"  # "linear", "count" of spikes, weighted, or "pool": a group per class
    decision: str = "softmax_sum"  # what becomes of the outputs over time: ops/leaky_readout.py
    fires: str = "at"  # "at" the threshold, or "above" it only
    reset: str = (
        "hard"  # "hard" to v_reset; "soft" takes the threshold off, "soft_later" a step later
    )
    surrogate: str = "atan"  # stands for the derivative of a spike: training/surrogate.py
    alpha: float = 5.0  # its steepness
    backflow: float = 1.0  # share of the gradient that flows back through the recurrence
    shift_steps: int = 8  # augmentation: largest shift in time, either way
    shift_channels: int = 4  # and along the input channels
    blend: float = 0.0  # share of the utterances mixed with another of their class
    steps: int = 80  # of an utterance
    dt_ms: float = 10.0
    group: int = 5  # units summed into one input channel
    threads: int = 1  # of torch; results depend on it in the last bit
    device: str = "cpu"  # of torch, such as cuda

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise UsageError(
                    f"{name} is '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        for name, least in _AT_LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}; give {least} or more")
        for name in (n for n, kind in _kinds().items() if kind is int):
            most = _AT_MOST.get(name, _WHOLE)
            if getattr(self, name) > most:
                least = _AT_LEAST.get(name, 1)
                raise UsageError(f"{name} is {getattr(self, name)}; allowed: {least} to {most}")
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; give a positive number")
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; give a share of 0 to below 1")
        for name in _FROM_ZERO:
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; give 0 or a positive number")
        self._check_fit()

    def _check_fit(self) -> None:
        """Of the options to each other."""
        if self.kernel < 1 or self.kernel % 2 == 0 or self.kernel > 2 * self.hidden - 1:
            raise UsageError(f"kernel is {self.kernel}; give an odd number of taps, such as 3")
        for name, kinds in _ONLY.items():
            if self._changed(name) and self.recurrence not in kinds:
                raise UsageError(
                    f"{name} is {getattr(self, name)}, which the recurrence '{self.recurrence}' "
                    f"does not have; allowed with {', '.join(kinds)}"
                )
        if not 0 < self.distill <= 1:
            raise UsageError(f"distill is {self.distill}; give a share above 0, up to 1")
        if self.hidden % (self.channels * self.height):
            raise UsageError(
                f"hidden is {self.hidden}; {self.channels} channels of {self.height} rows need a "
                f"multiple of {self.channels * self.height}"
            )
        if not 1 <= self.tau < math.inf:
            raise UsageError(f"tau is {self.tau}; give 1 or more steps")
        if not -math.inf < self.v_reset < self.threshold:
            raise UsageError(f"v_reset is {self.v_reset}; give less than the threshold")
        if self.gain == "leak" and (self.tau == 1 or self.betas == "learned"):
            raise UsageError("gain is 'leak', 1 - beta; allowed with a fixed beta of tau above 1")

    @classmethod
    def with_options(
        cls, options: Iterable[str] = (), file: str | Path | None = None, **values: Any
    ) -> TrainConfig:
        """Options of a TOML file, then `name=value` texts, then `values` that are not None.

        Each takes the place of what came before it. Raises UsageError for a bad one.
        """
        told = config_file.read(file, _kinds()) if file is not None else {}
        told |= config_file.parse(options, _kinds())
        return cls(**told | {name: value for name, value in values.items() if value is not None})

    @property
    def beta(self) -> float:
        """Membrane kept per step."""
        return 1 - 1 / self.tau

    @property
    def live_epochs(self) -> int:
        """Epochs in which delays move; the rest trains the frozen form."""
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
        told = [f.name for f in fields(self) if f.name in _IN_COMMAND or self._changed(f.name)]
        told = [n for n in told if self.recurrence in _ONLY.get(n, (self.recurrence,))]
        options = [
            f"--{name.replace('_', '-')} {getattr(self, name)}"
            if name in _IN_COMMAND
            else f"--set {name}={getattr(self, name)}"
            for name in told
        ]
        return f"delrec-compile train {data} {' '.join(options)} -o {self.name}.safetensors"

    def changed(self) -> dict[str, Any]:
        """The options that are not at their defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if self._changed(f.name)}

    def _changed(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(type(self), name))


def _kinds() -> dict[str, type]:
    return {f.name: type(f.default) for f in fields(TrainConfig)}
