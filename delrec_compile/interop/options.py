"""Options of an import: one table for the readers and the command line."""

from __future__ import annotations

from dataclasses import dataclass

NIR, CHECKPOINT, LAVA = "nir", "checkpoint", "lava"
SPIKINGJELLY, SNNTORCH, NORSE = "spikingjelly", "snntorch", "norse"
MODULES = (SPIKINGJELLY, SNNTORCH, NORSE)
EVERY = (NIR, CHECKPOINT, LAVA, *MODULES)


@dataclass(frozen=True)
class ImportOption:
    """A keyword argument of some readers.

    kind: type of its value; tuple: a shape, on the command line as 2x34x34; list: texts, one for
    each time that it is given. readers: their names; none for an option of every import, which no reader
    sees.
    help: help text of the command line, which lacks an option without one. flags: names on the
    command line, where they are not that of the argument.
    """

    name: str
    kind: type
    readers: tuple[str, ...]
    help: str = ""
    flags: tuple[str, ...] = ()


OPTIONS = (
    ImportOption("dt_ms", float, EVERY, "Length of a step in ms, if the source does not state it."),
    ImportOption("max_input", float, EVERY, "Largest input; 1 for spikes [31, of real values 1]."),
    ImportOption(
        "input_bits",
        str,
        EVERY,
        "Real inputs, rounded to so many bits after the point; auto: chosen from --input [counts].",
    ),
    ImportOption("name", str, EVERY, "Name of the network [that of its file]."),
    ImportOption(
        "grid",
        str,
        (),
        "Grid of the weights: int16, fine (up to 24 bits), or auto: fine for the layers with which the "
        "check finds fewer spikes lost [auto].",
    ),
    ImportOption("samples", object, ()),
    ImportOption(
        "input_shape", tuple, MODULES, "Input shape of a convolutional model, such as 2x34x34."
    ),
    ImportOption(
        "takes_sequences",
        bool,
        (SNNTORCH, NORSE),
        "snnTorch, Norse: the model loops over (steps, batch, inputs) itself.",
        ("--takes-sequences", "--whole"),  # the second is the old name
    ),
    ImportOption("method", str, (NIR,), "NIR: how dv/dt becomes a step: euler, exact [euler]."),
    ImportOption("time_unit", str, (NIR,), "NIR: unit of its constants: seconds, steps [seconds]."),
    ImportOption(
        "loop_step", bool, (NIR,), "NIR: whether a cycle takes a step in addition to its Delay."
    ),
    ImportOption("round_delays", bool, (NIR,), "NIR: round delays to whole steps."),
    ImportOption(
        "recipe", str, (CHECKPOINT,), "Checkpoints: script that trained it, such as delrec-shd."
    ),
    ImportOption(
        "layers",
        list,
        (CHECKPOINT,),
        "Checkpoints: constants of a layer, as 0:gain=1,fires=at or readout:tau=2. Repeatable.",
        ("--layer",),
    ),
    ImportOption("q", float, (CHECKPOINT,), "Checkpoints of SE-adLIF: factor of a and b."),
    ImportOption("tau", float, (CHECKPOINT,), "Checkpoints: time constant of neurons, in steps."),
    ImportOption("gain", str, (CHECKPOINT,), "Checkpoints: factor of the current; leak: 1 - beta."),
    ImportOption("fires", str, (CHECKPOINT,), "Checkpoints: at the threshold, or above it."),
    ImportOption("threshold", float, (CHECKPOINT,), "Checkpoints: membrane that fires [1]."),
    ImportOption("reset", str, (CHECKPOINT,), "Checkpoints: hard, soft, soft_later."),
    ImportOption("sigma", float, (CHECKPOINT,), "Checkpoints: spread of the recurrent delays [0]."),
    ImportOption(
        "kernel_length",
        int,
        (CHECKPOINT,),
        "Checkpoints: steps of the kernels of forward delays [those of the recipe].",
    ),
)


def names_for(reader: str) -> tuple[str, ...]:
    """Names of the options of a reader."""
    return tuple(option.name for option in OPTIONS if reader in option.readers)
