"""The command that measures a compiled network as a bare C program: footprint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from delrec_compile.cli.options import DEFAULT, Json
from delrec_compile.cli.terminal import counting, print_json, saying, show, show_next

if TYPE_CHECKING:
    from delrec_compile.evaluation.footprint.measure import Footprint, FootprintRow

COLUMNS = ("program", "memory", "cold start ms", "of CPU", "on disk", "times memory", "times start")
TITLES = {
    "shared": "bare C, shared library",
    "static": "bare C, static",
    "static_musl": "bare C, static, musl",
    "onnxruntime": "Python, ONNX Runtime",
    "torch_eager": "Python, PyTorch",
    "tvm_default": "Python, TVM's default build",
}
NO_FIGURE = "-"


def footprint(
    path: Annotated[
        Path | None, typer.Argument(help="An artifact folder; by default the bundled one is built.")
    ] = None,
    samples: Annotated[
        str, typer.Option("--input", "-i", help="The first of these samples is run: .h5, .npz.")
    ] = "samples",
    rows: Annotated[str, typer.Option(help="Programs to run, with commas; default: all.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Processes started of each baseline.")] = 5,
    as_json: Json = False,
) -> None:
    """Memory, cold start and size of an artifact as a bare C program, beside baselines in Python."""
    import tempfile

    from delrec_compile.compiler.build import build
    from delrec_compile.errors import UsageError, did_you_mean
    from delrec_compile.evaluation.footprint.measure import footprint as measure
    from delrec_compile.evaluation.footprint.programs import NAMES
    from delrec_compile.network import checkpoint

    chosen = tuple(r.strip() for r in rows.split(",") if r.strip()) or NAMES
    for name in chosen:
        if name not in NAMES:
            near = did_you_mean(name, NAMES)
            raise UsageError(f"unknown row '{name}'{near}; allowed: {', '.join(NAMES)}")
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        if path is None:
            path = Path(folder) / "artifact"
            with saying() as say:
                build(checkpoint.load(DEFAULT), out=path, progress=say)
        with counting("measuring") as step:
            found = measure(path, samples, rows=chosen, rounds=rounds, progress=step)
    if as_json:
        print_json("footprint", **found.as_dict())
        return
    _print(found)
    show_next("delrec-compile bench")


def _print(found: Footprint) -> None:
    from delrec_compile.cli import tables

    show(tables.table("footprint", COLUMNS, map(_cells, found.rows)))
    s, p = found.state, found.parts
    show(
        f"state of one stream: {s['bytes']:,} bytes ({s['bytes_without_padding']:,} without padding); "
        f"each of {s['streams']:,} streams adds {s['resident_bytes_per_stream']:,.0f} bytes of memory",
        f"library: {p['file']:,} bytes: {p['code']:,} of code, {p['constants']:,} of constants, "
        f"{p['variables']:,} of variables",
        *_skipped(found),
    )


def _skipped(found: Footprint) -> Iterator[str]:
    for row in found.rows:
        if row.skipped:
            yield f"{TITLES[row.name]} is skipped: {row.skipped}"


def _cells(row: FootprintRow) -> tuple[str, ...]:
    def ratio(value: float | None) -> str:
        return NO_FIGURE if value is None else f"{value:,.1f}x"

    def plain(value: float | None) -> str:
        return NO_FIGURE if value is None else f"{value:,.2f}"

    return (
        TITLES[row.name],
        _bytes(row.rss_bytes),
        plain(row.cold_start_ms),
        plain(row.cold_start_cpu_ms),
        _bytes(row.disk_bytes),
        ratio(row.ratio_rss),
        ratio(row.ratio_cold_start),
    )


def _bytes(value: int | None) -> str:
    if value is None:
        return NO_FIGURE
    if value < 1 << 20:
        return f"{value / 1024:,.0f} KiB"
    return f"{value / (1 << 20):,.1f} MiB"
