"""The networks that the claims compare, each as a recipe of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from delrec_compile.errors import UsageError, did_you_mean
from delrec_compile.training import config_file
from delrec_compile.training.config import TrainConfig, kinds

CHOSEN = ("seed", "teacher", "device")  # options that the command itself gives
BINNED = ("steps", "dt_ms", "group")  # those of the data, the same for all
EPOCHS, QUICK_EPOCHS, GRID_EPOCHS = 80, 2, 40
RATE = 6e-3  # peak of the schedule; three times the default, for so few epochs
TEACHER = "dense_delay"
KERNELS, DELAYS = (3, 5, 7), (4, 8, 16)
CHANNELS, CHANNEL_KERNELS = (8, 16, 32), (1, 3, 5)

# gradients explode through one head of 3 taps at this rate, and grow with fewer delays
STEADY: Mapping[str, Any] = {"backflow": 0.3}
# maps of 16 channels of 16 neurons: 1,024 recurrent parameters
CHANNELS_16: Mapping[str, Any] = {"recurrence": "channel_conv", "channels": 16, "kernel": 3}
# 1,280 recurrent parameters, on both layers
CHANNELS_BOTH: Mapping[str, Any] = {
    "recurrence": "channel_conv",
    "channels": 8,
    "kernel": 5,
    "recurrent_layers": "all",
    "hidden": 320,
    "betas": "learned",
    "dropout": 0.4,
}
# 1,308 recurrent parameters; fewer in all than dense_delay has
WIDE: Mapping[str, Any] = {
    "hidden": 320,
    "heads": 2,
    "kernel": 7,
    "recurrent_layers": "all",
    "betas": "learned",
    "dropout": 0.4,
}


@dataclass(frozen=True)
class Variant:
    """options: of TrainConfig. teacher: the variant whose network, of the same seed, teaches it.

    fixed: its delays never learn.
    """

    name: str
    title: str
    options: Mapping[str, Any] = field(default_factory=dict)
    teacher: str = ""
    fixed: bool = False

    def config(self, seed: int, epochs: int | None = None, teacher: str = "") -> TrainConfig:
        """The options of one training. epochs: replaces the recipe's. teacher: a network file."""
        options = {"epochs": EPOCHS, "lr": RATE, **self.options, "seed": seed, "teacher": teacher}
        if epochs is not None:
            options["epochs"] = epochs
        if self.fixed:
            options["delays_from"] = options["epochs"]
        return TrainConfig(**options)


VARIANTS = (
    Variant("feed_forward", "feed-forward", {"recurrence": "none"}),
    # at RATE the dense one leaps: seed 0 falls to 36 % on the way
    Variant("conv", "conv without delays", {"max_delay": 0, "lr": 2e-3}),
    Variant("dense", "dense without delays", {"recurrence": "dense", "max_delay": 0, "lr": 2e-3}),
    Variant("conv_fixed", "conv_delay, delays never learned", STEADY, fixed=True),
    Variant("conv_delay", "conv_delay", STEADY),
    Variant(
        "conv_delay_heads",
        "conv_delay, 320 neurons, 2 heads on both layers",
        WIDE,
    ),
    Variant("dense_delay", "dense_delay", {"recurrence": "dense"}),
)
# trained where they are named
EXTRA_VARIANTS = (
    # the recipe of the bundled network
    Variant("conv_delay_long", "conv_delay, 360 epochs", {"epochs": 360, "lr": 2e-3}),
    Variant(
        "conv_delay_taught",
        "conv_delay, 320 neurons, 2 heads, taught by dense_delay",
        WIDE,
        TEACHER,
    ),
    # recipes of a pool of voices, of at most 1,315 recurrent parameters: docs/claims.md
    Variant("channels", "channel_conv_delay, 16 channels of 3 taps", CHANNELS_16),
    Variant(
        "channels_orthogonal",
        "16 channels of 3 taps, circular, first kernel orthogonal",
        {**CHANNELS_16, "edges": "circular", "init": "orthogonal"},
    ),
    Variant("channels_long", "16 channels of 3 taps, 200 epochs", {**CHANNELS_16, "epochs": 200}),
    Variant(
        "channels_taught",
        "16 channels of 3 taps, taught by dense_delay",
        CHANNELS_16,
        TEACHER,
    ),
    Variant(
        "channels_circulant",
        "4 channels of 63 taps, circular",
        {"recurrence": "channel_conv", "channels": 4, "kernel": 63, "edges": "circular"},
    ),
    Variant(
        "channels_both",
        "320 neurons, 8 channels of 5 taps on both layers, learned leaks",
        CHANNELS_BOTH,
    ),
    Variant(
        "channels_both_taught",
        "320 neurons, 8 channels on both layers, learned leaks, taught by dense_delay",
        CHANNELS_BOTH,
        TEACHER,
    ),
)


def grid(pooled: bool = False) -> tuple[Variant, ...]:
    """conv_delay over taps and longest delays; channel_conv_delay over channels and taps.

    pooled: with the second, which the recorded sets are without.
    """
    taps = (
        Variant(
            f"grid_{kernel}_{delay}",
            f"{kernel} taps, delays to {delay}",
            {"kernel": kernel, "max_delay": delay, "epochs": GRID_EPOCHS, **STEADY},
        )
        for kernel in KERNELS
        for delay in DELAYS
    )
    maps = (
        Variant(
            f"grid_channels_{channels}_{kernel}",
            f"{channels} channels, {kernel} tap{'' if kernel == 1 else 's'}",
            {
                "recurrence": "channel_conv",
                "channels": channels,
                "kernel": kernel,
                "epochs": GRID_EPOCHS,
            },
        )
        for channels in CHANNELS
        for kernel in CHANNEL_KERNELS
    )
    return (*taps, *(maps if pooled else ()))


class Options(NamedTuple):
    """Options of TrainConfig: of every training, and of those of one variant, which come last."""

    every: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Any]]


def settings_of(
    settings: Iterable[str], device: str | None = None, compared: Iterable[Variant] = VARIANTS
) -> Options:
    """Options, of `name=value` and `variant.name=value` texts. Raises UsageError."""
    known, parts = _trained(compared), dict[str, list[str]]()
    for setting in settings:
        variant, dot, name = setting.partition("=")[0].rpartition(".")
        if dot and variant not in known:
            raise UsageError(
                f"--set {setting}: no network '{variant}'{did_you_mean(variant, known)} is compared; "
                f"allowed: {', '.join(known)}"
            )
        if dot and name in (*CHOSEN, *BINNED):
            raise UsageError(f"--set {setting}: {name} is the same for all networks")
        parts.setdefault(variant, []).append(setting[len(variant + dot) :])
    free = {name: kind for name, kind in kinds().items() if name not in CHOSEN}
    every = config_file.parse(parts.pop("", []), free)
    own = {name: config_file.parse(texts, free, f"{name}.") for name, texts in parts.items()}
    return Options({**every, **({"device": device} if device else {})}, own)


def check_own(own: Mapping[str, Mapping[str, Any]], compared: Iterable[Variant]) -> None:
    """Raises UsageError for options of a network that is not trained, or that are those of all."""
    known = _trained(compared)
    for variant, options in own.items():
        shared = [name for name in options if name in (*CHOSEN, *BINNED)]
        if variant not in known or shared:
            why = f"{shared[0]} is the same for all" if shared else f"allowed: {', '.join(known)}"
            raise UsageError(f"options of the network '{variant}' alone: {why}")


def _trained(compared: Iterable[Variant]) -> list[str]:
    """Names of the networks that are trained to compare these, teachers too."""
    return list(dict.fromkeys(n for v in compared for n in (v.name, v.teacher) if n))


def select_variants(
    names: Iterable[str], among: Iterable[Variant] = (*VARIANTS, *EXTRA_VARIANTS)
) -> tuple[Variant, ...]:
    """The variants of these names, in the order of `among`. Raises UsageError."""
    wanted = list(names)
    known = {v.name: v for v in among}
    if not wanted:
        raise UsageError(f"no variant is specified; allowed: {', '.join(known)}")
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"unknown variant '{name}'{did_you_mean(name, known)}; allowed: {', '.join(known)}"
            )
    return tuple(known[name] for name in known if name in wanted)
