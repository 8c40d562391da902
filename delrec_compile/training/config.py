"""Options of a training run, checked when the config is made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from delrec_compile.errors import UsageError
from delrec_compile.network.grid import AUTO, GRIDS
from delrec_compile.ops.adlif import ORDERS
from delrec_compile.ops.channel_conv_delay import EDGES
from delrec_compile.ops.checks import MAX_DELAY
from delrec_compile.ops.cuba_lif import ENTERS
from delrec_compile.ops.lif import FIRES, RESETS
from delrec_compile.ops.readout import DECISIONS
from delrec_compile.ops.real_input import FINEST
from delrec_compile.ops.registry import READOUTS
from delrec_compile.ops.synaptic_readout import SynapticReadout
from delrec_compile.training import config_file, parts
from delrec_compile.training.parts import INTERPOLATIONS, OPTIONS_OF
from delrec_compile.training.surrogate import SURROGATES

RECURRENCES = tuple(OPTIONS_OF["recurrence"])
_IN_COMMAND = ("recurrence", "hidden", "kernel", "max_delay", "epochs", "seed")
_CHOICES: dict[str, tuple[str, ...]] = {part: tuple(kinds) for part, kinds in OPTIONS_OF.items()}
_CHOICES |= {
    "readout": (*(kind for kind in READOUTS if kind != SynapticReadout.kind), "pool"),
    "decision": DECISIONS,
    "fires": FIRES,
    "recurrent_layers": ("last", "all", "after_first"),
    "forward_layers": ("all", "inputs", "hidden"),
    "reset": (*RESETS, "adapted", "base"),
    "gain": ("one", "leak"),
    "betas": ("fixed", "learned"),
    "surrogate": tuple(SURROGATES),
    "schedule": ("onecycle", "cosine", "constant"),
    "spread": ("shared", "learned"),
    "interpolation": INTERPOLATIONS,
    "constants": ("fixed", "learned"),
    "enters": ENTERS,
    "order": ORDERS,
    "grid": (AUTO, *GRIDS),
    "edges": EDGES,
    "init": ("uniform", "orthogonal"),
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
_MINIMUM |= {"valid_every": 1}
_MINIMUM |= {"channels": 1, "height": 1, "taps": 1, "whole_delays": 0, "dilation": 1}
_MINIMUM |= {"frontend_height": 1, "delays_from": 0, "forward_delay": 1, "forward_heads": 1}
_MINIMUM |= {"input_bits": -1}
_INT32_MAX = 2**31 - 1  # the maximum of the other integers
_MAXIMUM = {"seed": 2**64 - 1, "max_delay": MAX_DELAY, "taps": MAX_DELAY + 1}
_MAXIMUM |= {"forward_delay": MAX_DELAY, "input_bits": FINEST}
_POSITIVE = ("lr", "delay_lr", "clip", "alpha", "dt_ms", "threshold")
_SHARES = ("dropout", "frozen_tail", "blend", "stretch_steps", "stretch_channels")
_FROM_ZERO = ("sigma", "weight_decay", "l1", "rate_penalty", "backflow", "jump", "b")


@dataclass(frozen=True)
class TrainConfig:
    """Options of `train`. Raises UsageError for an invalid one."""

    # "conv": kernel and delays; "dense": matrix and delays; "synaptic": a delay per weight;
    # "tap_conv": delays shared by all neurons, a kernel each; "conv2d": the same on maps;
    # "channel_conv": a kernel between channels and a delay for each neuron; "none"
    recurrence: str = "conv"
    hidden: int = 256  # neurons per layer
    kernel: int = 3  # taps of the conv recurrence, odd
    heads: int = 1  # kernels of the conv recurrence, each with its own delays
    taps: int = 4  # delays of the tap_conv and conv2d recurrences
    channels: int = 1  # channels of their maps, and of those of channel_conv
    height: int = 1  # rows of a map of the conv2d recurrence
    edges: str = "zero"  # of the maps of channel_conv; "circular": they go on at their other ends
    dilation: int = 1  # places from one tap of channel_conv to the next
    # first kernel of channel_conv: "uniform", or "orthogonal", of a map of norm 1
    init: str = "uniform"
    whole_delays: int = 1  # 0: delays of tap_conv stay real numbers, and each becomes two taps
    frontend: str = ""  # convolutional layers before the others, such as 8x5/2,16x3
    frontend_height: int = 1  # rows of the maps that the input channels form
    layers: int = 2  # spiking layers
    recurrent_layers: str = "last"  # which recur: the "last", "all", or all "after_first"
    max_delay: int = 31  # steps; 0: a recurrence without delays
    # delays of what comes into a layer, and into the readout: "none", "dense_delay", one for each
    # neuron that sends, "synaptic_delay", one for each weight, "channel_conv_delay" of a frontend
    forward: str = "none"
    forward_layers: str = "all"  # which delay: "all", those from the "inputs", or the "hidden" ones
    forward_delay: int = 31  # longest of them, in steps
    forward_heads: int = 1  # of dense_delay: delays of each neuron, each with its weights
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
    interpolation: str = "triangle"  # form of the spread: "triangle", or "gauss", that of DCLS
    batch: int = 64
    clip: float = 1.0  # maximum norm of the gradient
    weight_decay: float = 1e-5
    l1: float = 0.0  # factor of the L1 norm of the recurrent weights
    rate_penalty: float = 0.0  # factor of half the spikes per neuron and step, mean over layers
    teacher: str = ""  # a trained network, whose outputs become soft targets
    distill: float = 0.5  # their share of the loss
    neuron: str = "lif"  # "cuba_lif", "alif", "adlif": docs/models/
    # of those three: "fixed", or "learned" for each neuron, within the ranges of training/constants.py
    constants: str = "fixed"
    tau_syn: float = 2.0  # steps; of cuba_lif: alpha is 1 - 1/tau_syn
    enters: str = "new"  # of cuba_lif: synaptic current that enters the membrane, or the "old" one
    tau_adapt: float = 60.0  # steps; of alif and adlif: rho is 1 - 1/tau_adapt
    jump: float = 0.2  # of alif: rise of the threshold by a spike
    a: float = 0.0  # of adlif: rise of the adaptation by the membrane
    b: float = 1.0  # of adlif: rise of the adaptation by a spike
    order: str = "symplectic"  # of adlif: also "euler", "unreset"
    tau: float = 1.05  # steps; the membrane is multiplied by 1 - 1/tau per step
    betas: str = "fixed"  # factor of the membrane: "fixed" by tau, or "learned" for each neuron
    threshold: float = 1.0
    v_reset: float = 0.0  # membrane after a hard reset
    # factor of the current: "one", or "leak", 1 - beta; of cuba_lif, that of the synaptic one, 1 - alpha
    gain: str = "one"
    readout: str = "leaky"  # "linear", "count" of spikes, weighted, or "pool": a group per class
    decision: str = "softmax_sum"  # from outputs over time to a class: ops/readout.py
    fires: str = "at"  # "at" the threshold, or only "above" it
    # "hard" sets v_reset, "soft" subtracts the threshold, "soft_later" does so one step later; of alif,
    # "adapted" subtracts the risen threshold, "base" that at rest
    reset: str = "hard"
    surrogate: str = "atan"  # stands for the derivative of a spike: training/surrogate.py
    alpha: float = 5.0  # steepness of the surrogate
    backflow: float = 1.0  # share of the gradient that flows back through the recurrence
    shift_steps: int = 8  # augmentation: largest shift in time, either way
    shift_channels: int = 4  # augmentation: largest shift along the input channels, either way
    stretch_steps: float = (
        0.0  # augmentation: largest change of the duration, as a share, either way
    )
    # augmentation: the same of the distances from the middle of the input channels
    stretch_channels: float = 0.0
    blend: float = 0.0  # augmentation: share of the samples mixed with another of their class
    steps: int = 80  # time steps of a sample
    dt_ms: float = 10.0
    group: int = 5  # units summed into one input channel
    input_bits: int = -1  # of real inputs: bits after the point; -1: as many as 8 bits in all leave
    threads: int = 1  # threads of torch; results depend on it in the last bit
    valid_every: int = 1  # epochs from one validation to the next; the last epoch always has one
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
        for name in (n for n, kind in kinds().items() if kind is int):
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
        parts.check(self)

    @classmethod
    def with_options(
        cls, options: Iterable[str] = (), file: str | Path | None = None, **values: Any
    ) -> TrainConfig:
        """Config from a TOML file, then `name=value` texts, then `values` that are not None.

        Later ones replace earlier ones. Raises UsageError for an invalid one.
        """
        merged = config_file.read(file, kinds()) if file is not None else {}
        merged |= config_file.parse(options, kinds())
        return cls(**merged | {name: value for name, value in values.items() if value is not None})

    @property
    def beta(self) -> float:
        """Share of the membrane that is left after one step."""
        return 1 - 1 / self.tau

    def recurs(self, layer: int) -> bool:
        """Whether the spiking layer of this number, from 0, is recurrent; of a frontend, none is."""
        recurrent = {"last": layer == self.layers - 1, "all": True, "after_first": layer > 0}
        return self.recurrence != "none" and recurrent[self.recurrent_layers]

    @property
    def live_epochs(self) -> int:
        """Number of epochs in which delays learn; the others train the frozen form."""
        still = self.recurrence in ("none", "conv2d") or self.max_delay == 0
        if still and self.forward == "none":
            return self.epochs
        return max(1, math.ceil(self.epochs * (1 - self.frozen_tail) - 1e-9))

    @property
    def name(self) -> str:
        """`conv_delay_256`, `dense_256`, `feed_forward_256`, `conv_256_adlif_forward_dense_delay`."""
        delayed = self.max_delay or self.recurrence in ("tap_conv", "conv2d")
        kind = f"{self.recurrence}{'_delay' if delayed else ''}"
        name = f"{'feed_forward' if self.recurrence == 'none' else kind}_{self.hidden}"
        name += f"_{self.heads}_heads" if self.heads > 1 else ""
        name += "" if self.neuron == "lif" else f"_{self.neuron}"
        return name + ("" if self.forward == "none" else f"_forward_{self.forward}")

    def command(self, data: str = "DATA") -> str:
        """The command line that trains this network."""
        names = [f.name for f in fields(self) if f.name in _IN_COMMAND or self._changed(f.name)]
        names = [n for n in names if parts.fits(self, n)]
        options = [
            f"--{name.replace('_', '-')} {getattr(self, name)}"
            if name in _IN_COMMAND
            else f"--set {name}={getattr(self, name)}"
            for name in names
        ]
        return f"delrec-compile train {data} {' '.join(options)} -o {self.name}.safetensors"

    def changed(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        return {f.name: getattr(self, f.name) for f in fields(self) if self._changed(f.name)}

    def _changed(self, name: str) -> bool:
        return bool(getattr(self, name) != getattr(type(self), name))


def kinds() -> dict[str, type]:
    """The type of each option."""
    return {f.name: type(f.default) for f in fields(TrainConfig)}
