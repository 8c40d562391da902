"""The commands between this project's networks and other frameworks: import, and export --form nir."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.imported import show_import
from delrec_compile.cli.inputs import AUTO, PLAIN, InputOptions, chosen, with_inputs
from delrec_compile.cli.options import AllowSilent, Force, Json
from delrec_compile.cli.terminal import print_json, saying, show, show_next, show_next_build, unused
from delrec_compile.interop.options import OPTIONS, ImportOption

if TYPE_CHECKING:
    from delrec_compile.data.events import Events
    from delrec_compile.interop.result import Imported
    from delrec_compile.network.model import Network

PLAIN_FILES = (".npz", ".npy", ".csv")  # of samples, which may be real values
CHECKED = 32  # samples that the model itself runs on

Source = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A .nir file, a .net file of lava-dl, a .pth checkpoint, or module:function that returns "
        "a torch model or a NIR graph: its code is run, so name only code that you trust.",
        autocompletion=completion.importable,
    ),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="The .safetensors file.")]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="List what each part becomes, or why it is refused; write nothing."
    ),
]
Check = Annotated[int, typer.Option(min=0, help="Steps to compare with the model itself; 0: none.")]
Density = Annotated[
    float | None,
    typer.Option(
        help="Share of the inputs active in a step of the random inputs to compare on "
        "[one at which 2 to 10 % of the neurons fire]."
    ),
]


def with_import_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options of the import table, in place of its `**options`."""
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    table = [_parameter(option) for option in OPTIONS if option.help]
    parameters = [*own[:2], *table, *own[2:]]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _parameter(option: ImportOption) -> inspect.Parameter:
    spelled: dict[type, Any] = {tuple: str, list: list[str]}
    kind: Any = spelled.get(option.kind, option.kind)
    completed = completion.of_import(option.name, kind)
    annotation = Annotated[kind | None, typer.Option(*option.flags, help=option.help, **completed)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(option.name, keyword, default=None, annotation=annotation)


@partial(with_inputs, without=("sample_dt_ms",))
@with_import_options
def import_(
    source: Source,
    out: Out = None,
    *,
    dry_run: DryRun = False,
    check: Check = 200,
    inputs: InputOptions = PLAIN,
    density: Density = None,
    allow_silent: AllowSilent = False,
    force: Force = False,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Convert another framework's model to a network, and compare their spikes."""
    from delrec_compile.interop.source import require_there
    from delrec_compile.network import checkpoint

    options["input_bits"] = _input_bits(options["input_bits"], inputs)
    _check_numbers(options, density, inputs)
    options["input_shape"] = _shape(options["input_shape"])
    options["grid"] = _grid(options["grid"])
    if dry_run:
        _plan(source, options, as_json)
        return
    if out is None:
        require_there(source)  # before a word on where it would go
    path = _checked_output(out, force, options["name"])
    checking = {"steps": check, "density": density, "allow_silent": allow_silent}
    checking["chooses_grid"] = options["grid"] is None
    result = _convert(source, path, options, inputs, checking)
    if as_json:
        print_json("import", **result)
        return
    show_import(result)
    show_next_build(path, checkpoint.load(path).name)


def _convert(
    source: str, out: Path, options: dict[str, Any], inputs: InputOptions, checking: dict[str, Any]
) -> dict[str, Any]:
    """Writes the network once its check is passed. checking: of `verify`; no steps: no check."""
    from delrec_compile.data.samples import read_samples
    from delrec_compile.interop.source import import_model
    from delrec_compile.interop.verify import verify
    from delrec_compile.network import checkpoint
    from delrec_compile.network.reading import with_reading

    with saying(brief=True) as say:
        say(f"importing {source}")
        chosen_bits = options["input_bits"] == AUTO
        imported = import_model(source, **options | ({"input_bits": None} if chosen_bits else {}))
        if chosen_bits:
            imported = imported.with_real_input(read_samples(inputs.samples, real=True).counts)
        elif options["input_bits"] is None and str(inputs.samples).endswith(PLAIN_FILES):
            imported = imported.for_samples(read_samples(inputs.samples, real=True).counts)
        network = with_reading(imported.network, inputs.reading)
        events = None if inputs.samples == AUTO else chosen(network, inputs)
        verdict = None
        if checking["steps"]:
            say("comparing spikes")
            x = None if events is None else _sequences(events, CHECKED)
            found = verify(imported, source, x=x, **checking)
            imported = found.imported
            network = with_reading(imported.network, inputs.reading)
            verdict = {**found.check.as_dict(), "differing_before_freezing": found.before_freezing}
            verdict |= {"differing_on_int16": found.on_int16}
            verdict |= {"layers": list(imported.names), "random": events is None}
        accuracy = None if events is None else _accuracy(network, events)
    checkpoint.save(checkpoint.named_after(network, out), out)
    return _result(out, imported, verdict, accuracy)


def _plan(source: str, options: dict[str, Any], as_json: bool) -> None:
    """Prints the plan of an import; exit code 4 if a part is refused."""
    from delrec_compile.artifact.abi import checked_name
    from delrec_compile.cli.plan import show_plan
    from delrec_compile.interop.source import plan_import

    if options["name"] is not None:
        checked_name(options["name"])
    with saying(brief=True) as say:
        say(f"reading {source}")
        bits = options["input_bits"]
        made = plan_import(source, **options | {"input_bits": None if bits == AUTO else bits})
    show_plan("import", made, as_json)


def _checked_output(out: Path | None, force: bool, name: str | None) -> Path:
    """The file to write. name: of the network, if chosen. Raises UsageError, CheckpointError."""
    from delrec_compile.artifact.abi import checked_name
    from delrec_compile.errors import CheckpointError, UsageError
    from delrec_compile.system.files import check_writable

    if out is None:
        raise UsageError("-o is missing: the .safetensors file to write; or look with --dry-run")
    if out.suffix != ".safetensors":
        raise UsageError(f"-o {out}: a name that ends in .safetensors is required")
    if name is not None:
        checked_name(name)
    if out.exists() and not force:
        raise CheckpointError(f"{out} exists; add --force to replace it")
    check_writable(out)
    return out


def _input_bits(text: str | None, inputs: InputOptions) -> str | int | None:
    """A number of bits, AUTO, or None. Raises UsageError."""
    from delrec_compile.errors import UsageError

    if text is None or text.isdecimal():
        return None if text is None else int(text)
    if text != AUTO:
        raise UsageError(f"--input-bits '{text}'; allowed: 0 to 15, {AUTO}")
    if inputs.samples == AUTO:
        raise UsageError(f"--input-bits {AUTO} chooses from samples: add --input FILE")
    return text


def _check_numbers(options: dict[str, Any], density: float | None, inputs: InputOptions) -> None:
    """Raises UsageError for values that no network has."""
    from delrec_compile.errors import NetworkError, UsageError
    from delrec_compile.network.base import MAX_INPUT
    from delrec_compile.ops.real_input import RealInput

    most, bits, dt_ms = (options[name] for name in ("max_input", "input_bits", "dt_ms"))
    if bits == AUTO and most is not None:
        raise UsageError(f"--input-bits {AUTO} chooses the largest input too: omit --max-input")
    if isinstance(bits, int):
        try:
            RealInput(bits, 1 if most is None else most)
        except NetworkError as error:
            raise UsageError(f"--input-bits {bits}: {error}") from None
    elif bits is None and most is not None and not (1 <= most <= MAX_INPUT and most == int(most)):
        raise UsageError(
            f"--max-input {most:g}; allowed: 1 to {MAX_INPUT}, whole numbers; --input-bits is for real "
            "values"
        )
    if dt_ms is not None and not 0 < dt_ms < math.inf:
        raise UsageError(f"--dt-ms {dt_ms:g}: a positive number is required")
    if density is not None and not 0 < density <= 1:
        raise UsageError(f"--density {density:g}: above 0 and up to 1 is required")
    if density is not None and inputs.samples != AUTO:
        raise UsageError("--density is of random inputs: omit it, or --input")


def _result(
    out: Path, imported: Imported, verdict: dict[str, Any] | None, accuracy: float | None
) -> dict[str, Any]:
    from delrec_compile.network.grid import grids, row_bytes
    from delrec_compile.network.grid_choice import wide_layers

    network = imported.network
    return {
        "path": str(out),
        "source": imported.source,
        "layers": [p.size for p in network.spiking],
        "populations": [p.name for p in network.graph],
        "inputs": network.inputs,
        "outputs": network.outputs,
        "recurrences": [
            ", ".join(q.synapses.name for q in p.projections if q.source == p.name) or None
            for p in network.spiking
        ],
        "dt_ms": network.dt_ms,
        "max_input": network.max_input,
        "input_bits": network.input_bits,
        "grids": list(grids(network)),
        "wide_layers": list(wide_layers(network)),
        "row_bytes": row_bytes(network),
        "row_bytes_int16": row_bytes(network, 16),
        "remarks": list(imported.remarks),
        "check": verdict,
        "accuracy": accuracy,
    }


def _sequences(events: Events, most: int) -> Any:
    """The first samples as inputs (steps, samples, inputs)."""
    import numpy as np

    return np.ascontiguousarray(events.counts[:most].transpose(1, 0, 2), np.float32)


def _accuracy(network: Network, events: Events) -> float | None:
    from delrec_compile.network.classify import accuracy

    return None if events.labels is None else accuracy(network, events.counts, events.labels)


def _shape(text: str | None) -> tuple[int, ...] | None:
    """The sizes of `2x34x34`. Raises UsageError."""
    if text is None:
        return None
    from delrec_compile.errors import UsageError

    try:
        shape = tuple(int(n) for n in text.split("x"))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UsageError(f"--input-shape {text}: integers separated by x, such as 2x34x34")
    return shape


def _grid(name: str | None) -> str | None:
    """The name of a grid; None for the one that the check chooses. Raises UsageError."""
    from delrec_compile.network.grid_choice import checked

    return None if name is None or checked(name) == AUTO else name


def export_nir(network: Network, out: Path, force: bool, as_json: bool) -> None:
    """Writes a NIR graph and prints its size."""
    from delrec_compile.interop.nir.writer import export_nir as write

    with saying() as say:
        say("writing a NIR graph and reading it back")
        graph = write(network, out, force=force)
    nodes, edges, size = len(graph.nodes), len(graph.edges), out.stat().st_size
    if as_json:
        print_json("export", path=str(out), form="nir", nodes=nodes, edges=edges, bytes=size)
        return
    show(f"{out}: {nodes} nodes, {edges} edges, {size:,} bytes, NIR")
    show_next("import", out, "-o", unused("again.safetensors"))
