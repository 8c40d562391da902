"""Constants of the trainable neurons of `dynamics`: given, or learned for each neuron in a range.

adlif      beta, rho, a, b drawn and learned in the ranges of Bittar & Garner 2022
cuba_lif   alpha, beta learned from their given values, 0 to 1
alif       beta, rho, jump learned from their given values, 0 to 1 and 0 to 2
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.registry import NEURONS
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.dynamics import DYNAMICS, CubaDynamics, Dynamics
from delrec_compile.training.neuron import Neuron as Lif

Range = tuple[float, float]
RANGES: dict[str, dict[str, Range]] = {
    "cuba_lif": {"alpha": (0, 1), "beta": (0, 1)},
    "alif": {"beta": (0, 1), "rho": (0, 1), "jump": (0, 2)},
    "adlif": {
        "beta": (math.exp(-1 / 5), math.exp(-1 / 25)),
        "rho": (math.exp(-1 / 30), math.exp(-1 / 120)),
        "a": (-1, 1),
        "b": (0, 2),
    },
}
LARGEST_LEAK = 0.999  # where a gain is 1 less it, which must stay above 0
DRAWN = ("adlif",)  # constants begin anywhere in their range, not at a given value


class NeuronConstants(nn.Module):
    """Constants of a layer of n neurons of the config's model."""

    def __init__(self, config: TrainConfig, n: int) -> None:
        super().__init__()
        self.config, self.given = config, _given(config)
        self.ranges = dict(RANGES[config.neuron]) if config.constants == "learned" else {}
        for name in ("alpha", "beta"):
            if name in self.ranges and config.gain == "leak":
                low, high = self.ranges[name]
                self.ranges[name] = (low, min(high, LARGEST_LEAK))
        self.register_buffer("place", torch.empty(0), persistent=False)  # the device of the net
        self.learned = nn.ParameterDict()
        for name, (low, high) in self.ranges.items():
            start = torch.empty(n, 1)
            drawn = config.neuron in DRAWN
            start.uniform_(low, high) if drawn else start.fill_(self.given[name])
            self.learned[name] = nn.Parameter(start)

    def tensors(self) -> dict[str, Tensor]:
        """Each constant: (n, 1) where it is learned, else (1, 1)."""
        like = self.get_buffer("place")
        out = {name: like.new_full((1, 1), value) for name, value in self.given.items()}
        for name, (low, high) in self.ranges.items():
            out[name] = self.learned[name].clamp(low, high)
        if self.config.gain == "leak":
            out["gain"] = 1 - out["beta"]
            if "alpha" in out:
                out["gain_i"] = 1 - out["alpha"]
        return out

    @torch.no_grad()
    def clamp(self) -> None:
        """Keeps what is learned in its range: outside it has no gradient."""
        for name, (low, high) in self.ranges.items():
            self.learned[name].clamp_(low, high)

    @property
    def dynamics(self) -> Dynamics:
        """The model, without its constants."""
        kind = DYNAMICS[self.config.neuron]
        return kind(**{f.name: getattr(self.config, f.name) for f in fields(kind)})

    def frozen(self) -> Neuron:
        """The neurons of a frozen network."""
        kind, own = NEURONS[self.config.neuron], self.dynamics
        values: dict[str, Any] = {
            name: float(value) if value.numel() == 1 else value.detach().numpy()[:, 0].copy()
            for name, value in self.tensors().items()
        }
        names = {f.name for f in fields(kind)}
        return kind(**values, **{k: v for k, v in vars(own).items() if k in names})


def of_lif(neuron: Lif, like: Tensor) -> tuple[Dynamics, dict[str, Tensor]]:
    """LIF neurons as those of `cuba_lif` whose current does not stay: the bits of the frozen form.

    `neuron.delayed_lif`, which trains them, fuses products and sums.
    """
    values = {"alpha": 0.0, "beta": neuron.beta, "threshold": neuron.threshold}
    values |= {"v_reset": neuron.v_reset, "gain": neuron.gain, "gain_i": 1.0}
    constants = {
        name: value if isinstance(value, Tensor) else like.new_full((1, 1), value)
        for name, value in values.items()
    }
    return CubaDynamics(neuron.fires, neuron.reset, neuron.surrogate, neuron.backflow), constants


def _given(config: TrainConfig) -> dict[str, float]:
    values = {
        "alpha": 1 - 1 / config.tau_syn,
        "beta": config.beta,
        "rho": 1 - 1 / config.tau_adapt,
        "jump": config.jump,
        "a": config.a,
        "b": config.b,
        "threshold": config.threshold,
        "v_reset": config.v_reset,
        "gain": 1.0,
        "gain_i": 1.0,
    }
    return {name: values[name] for name in DYNAMICS[config.neuron].names}
