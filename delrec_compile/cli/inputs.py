"""The options that say which samples a command runs, the same on every command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.options import Limit
from delrec_compile.cli.terminal import remark

if TYPE_CHECKING:
    from delrec_compile.data.events import Events
    from delrec_compile.network.model import Network
    from delrec_compile.network.reading import Reading
    from delrec_compile.network.taker import Taker

AUTO = "auto"
SOURCE = (
    "Samples to run: .npz, .npy, .csv, .h5, 'samples' (bundled), 'random', random:SEED or "
    "random:DENSITY; auto: bundled where they fit, else random."
)
Source = Annotated[
    str, typer.Option("--input", "-i", help=SOURCE, autocompletion=completion.samples)
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Time steps of .h5 samples; default: the network's, or the longest."),
]
StepLength = Annotated[
    float | None,
    typer.Option("--dt-ms", help="Length of the samples' steps in ms; default: the network's."),
]
Align = Annotated[
    bool | None,
    typer.Option(
        "--align-first-spike/--no-align-first-spike",
        help="Shift each .h5 sample so that its first spike is at 0; default: the network's way.",
    ),
]
Lead = Annotated[
    int | None,
    typer.Option(min=0, help="Empty steps before each .h5 sample; SSC's own loader: 1."),
]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "samples": (Source, AUTO),
    "limit": (Limit, None),
    "steps": (Steps, None),
    "sample_dt_ms": (StepLength, None),
    "align_first_spike": (Align, None),
    "lead": (Lead, None),
}


@dataclass(frozen=True)
class InputOptions:
    """Values of the options; see `read_inputs` and `Reading`."""

    samples: str = AUTO
    limit: int | None = None
    steps: int | None = None
    sample_dt_ms: float | None = None
    align_first_spike: bool | None = None
    lead: int | None = None

    @property
    def reading(self) -> Reading:
        """How the samples are read. Raises UsageError."""
        from delrec_compile.network.reading import Reading

        return Reading(self.steps, self.sample_dt_ms, self.align_first_spike, self.lead)

    def repeated(self) -> tuple[str, ...]:
        """The options that name the same samples in another command."""
        words: list[str] = [] if self.samples == AUTO else ["--input", self.samples]
        for flag, value in (("--steps", self.steps), ("--lead", self.lead)):
            words += [] if value is None else [flag, str(value)]
        if self.sample_dt_ms is not None:
            words += ["--dt-ms", str(self.sample_dt_ms)]
        if self.align_first_spike is not None:
            words.append(f"--{'' if self.align_first_spike else 'no-'}align-first-spike")
        return tuple(words)


PLAIN = InputOptions()


def with_inputs(command: Callable[..., None], without: tuple[str, ...] = ()) -> Callable[..., None]:
    """Gives a command the options of OPTIONS in place of its argument `inputs`.

    without: options that it has not.
    """
    signature = inspect.signature(command, eval_str=True)
    table = {name: option for name, option in OPTIONS.items() if name not in without}
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        if parameter.name != "inputs":
            parameters.append(parameter)
            continue
        for name, (annotation, default) in table.items():
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))

    @functools.wraps(command)
    def called(**values: Any) -> None:
        chosen = {name: values.pop(name, default) for name, (_, default) in table.items()}
        command(**values, inputs=InputOptions(**chosen))

    keywords = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    called.__signature__ = signature.replace(parameters=keywords)  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


def chosen(takes: Network | Taker, inputs: InputOptions) -> Events:
    """The samples, checked; a line on stderr says what they are where that is not plain.

    Raises DataError and UsageError, before any long work.
    """
    from delrec_compile.data.samples import first
    from delrec_compile.network.inputs import read_inputs

    found = read_inputs(takes, inputs.samples, inputs.reading)
    if found.remark:
        remark(found.remark)
    return first(found.samples, inputs.limit)


def calibration(network: Network, file: object, inputs: InputOptions) -> Events | None:
    """The samples of --calibrate, read as those of --input are; None without the option."""
    from delrec_compile.network.inputs import read_inputs

    if file is None:
        return None
    found = read_inputs(network, str(file), inputs.reading)
    if found.remark:
        remark(found.remark.replace("inputs:", "calibration:", 1))
    return found.samples


@contextmanager
def named(takes: Network | Taker, inputs: InputOptions) -> Iterator[str]:
    """Same as `chosen`, as a name that a child process reads."""
    from delrec_compile.network.inputs import stored

    with stored(takes, chosen(takes, inputs)) as name:
        yield name
