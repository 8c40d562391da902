"""The boards that a network fits: `targets --fits`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from delrec_compile.cli.inputs import AUTO, InputOptions, chosen
from delrec_compile.cli.options import FLOAT32, names
from delrec_compile.cli.terminal import counting, print_json, show, show_line, show_next
from delrec_compile.errors import UsageError

if TYPE_CHECKING:
    from delrec_compile.evaluation.fits import Fit, Fits

COLUMNS = ("target", "fits", "flash KB", "of", "RAM KB", "of", "instructions", "est. us", "of step")
OPTIONS = {"boards": "--boards", "numeric": "--numeric", "samples": "--input"}


def refuse_without_network(options: Mapping[str, str | None]) -> None:
    """Raises UsageError for an option that is of --fits alone."""
    for key, value in options.items():
        if value is not None:
            raise UsageError(f"{OPTIONS[key]} {value}: only with --fits NETWORK")


def show_fits(model: str, options: Mapping[str, str], as_json: bool) -> None:
    """Prints the table. options: boards, numeric, samples. Raises BudgetError where none fits."""
    from delrec_compile.evaluation.fits import fits
    from delrec_compile.network import checkpoint

    network = checkpoint.load(model)
    numeric = options.get("numeric", FLOAT32)
    boards = names(options.get("boards", "all"))
    inputs = InputOptions(samples=options.get("samples", AUTO))
    samples = chosen(network, inputs)
    with counting("fitting") as step:
        result = fits(network, boards, numeric=numeric, samples=samples, progress=step)
    if as_json:
        print_json("fits", **result.as_dict())
    else:
        _print(result)
    if error := result.error():
        raise error
    if not as_json:
        best = min((row for row in result.rows if row.fits), key=lambda row: bool(row.why))
        mode = () if numeric == FLOAT32 else ("--numeric", numeric)
        show_next("build", model, "--target", best.target, *mode)


def _print(result: Fits) -> None:
    from delrec_compile.cli import tables

    title = f"{result.network} {result.numeric}, steps of {result.dt_ms:g} ms"
    show(tables.table(title, COLUMNS, map(_cells, result.rows)))
    for row in result.rows:
        if row.why:
            show_line(f"{row.target}: {row.why}")
    for row in result.rows:
        if not row.how.startswith("counted"):
            show_line(f"{row.target}: {row.how}")
    show(
        f"est.: one cycle per instruction at the board's clock, mean of {result.steps} steps; RAM "
        "without the stack that the profile reserves"
    )


def _cells(row: Fit) -> tuple[str, ...]:
    share = row.estimated_share_of_dt
    return (
        row.target,
        {True: "yes", False: "no", None: "-"}[row.fits],
        _kb(row.flash_bytes),
        _kb(row.flash_limit),
        _kb(row.ram_bytes),
        _kb(row.ram_limit),
        "-" if row.instructions_per_step is None else f"{row.instructions_per_step:,.0f}",
        "-" if row.estimated_us is None else f"{row.estimated_us:,.0f}",
        "-" if share is None else f"{share:.1%}",
    )


def _kb(value: int | None) -> str:
    return "-" if value is None else f"{value / 1024:,.1f}"
