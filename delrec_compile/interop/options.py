"""Options of an import: the one table that the readers and the command line take them from."""

from __future__ import annotations

from dataclasses import dataclass

NIR, CHECKPOINT = "nir", "checkpoint"
SPIKINGJELLY, SNNTORCH, NORSE = "spikingjelly", "snntorch", "norse"
MODULES = (SPIKINGJELLY, SNNTORCH, NORSE)
EVERY = (NIR, CHECKPOINT, *MODULES)


@dataclass(frozen=True)
class ImportOption:
    """A keyword argument of the readers that are named.

    kind: type of its value; tuple: a shape, on the command line as 2x34x34. help: a line for the
    command line, which lacks an option without one.
    """

    name: str
    kind: type
    readers: tuple[str, ...]
    help: str = ""


OPTIONS = (
    ImportOption("dt_ms", float, EVERY, "Length of a step in ms, if the source does not say it."),
    ImportOption("max_input", int, EVERY, "Largest input count; 1 for spikes [31]."),
    ImportOption("name", str, EVERY),
    ImportOption(
        "input_shape", tuple, MODULES, "Input shape of a convolutional model, such as 2x34x34."
    ),
    ImportOption(
        "whole", bool, (SNNTORCH,), "snnTorch: the model loops over (steps, batch, inputs) itself."
    ),
    ImportOption("method", str, (NIR,), "NIR: how dv/dt becomes a step: euler, exact [euler]."),
    ImportOption(
        "loop_step", bool, (NIR,), "NIR: whether a cycle takes a step in addition to its Delay."
    ),
    ImportOption("round_delays", bool, (NIR,), "NIR: round delays to whole steps."),
    ImportOption(
        "sigma", float, (CHECKPOINT,), "Checkpoints: spread of delays to keep, 0 to 1 [0]."
    ),
    ImportOption(
        "recipe", str, (CHECKPOINT,), "Checkpoints: neurons of shd or ssc [by BatchNorm]."
    ),
    ImportOption("tau", float, (CHECKPOINT,), "Checkpoints: time constant of neurons, in steps."),
    ImportOption("reset", str, (CHECKPOINT,), "Checkpoints: hard, soft, soft_later."),
    ImportOption("fires", str, (CHECKPOINT,)),
    ImportOption(
        "gain", str, (CHECKPOINT,), "Checkpoints: gain of the current: one, leak (1 - beta)."
    ),
)


def names_for(reader: str) -> tuple[str, ...]:
    """The options that a reader takes."""
    return tuple(option.name for option in OPTIONS if reader in option.readers)
