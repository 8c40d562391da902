"""The commands of tuning: tune, and db for what it keeps."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.aliases import Numeric
from delrec_compile.cli.options import DEFAULT, Db, Force, Json, Model, NumericMode, Samples
from delrec_compile.cli.terminal import counting, print_json, saying, show, show_next

if TYPE_CHECKING:
    from delrec_compile.tuning.result import Tuned

db_app = typer.Typer(help="What 'tune' has measured: list, verify, merge.", no_args_is_help=True)


def tune(
    model: Model = DEFAULT,
    target: Annotated[str, typer.Option("--target", "-t", help="See 'targets'.")] = "x86_64",
    numeric: NumericMode = Numeric.FLOAT32,
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Samples to calibrate int modes on: .h5 or .npz, of training data."),
    ] = None,
    cpu: Annotated[str | None, typer.Option(help="LLVM's CPU name, such as x86-64-v3.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Measure there: rpc://host:port/key or ssh://user@host.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Stop after so long.")] = 10.0,
    trials: Annotated[int | None, typer.Option(help="Stop after so many measurements.")] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Emulators at once; default: one per core, at most 4.")
    ] = None,
    samples: Samples = "samples",
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Find the fastest schedule for a network on a target; 'build' takes it from then on."""
    from delrec_compile.compiler.schedules.store import Store
    from delrec_compile.data.samples import read_samples
    from delrec_compile.network import checkpoint
    from delrec_compile.tuning.result import Limits
    from delrec_compile.tuning.tune import tune as search

    network = checkpoint.load(model)
    facts: dict[str, Any] = {"numeric": numeric, "cpu": cpu, "samples": samples, "db": db}
    facts["device"] = device
    line = _line(model, target, numeric, cpu, device, minutes, trials)
    try:
        with counting("tuning") as step:
            found = search(
                network,
                target,
                calibrate=read_samples(calibrate) if calibrate else None,
                limits=Limits(minutes, trials),
                jobs=jobs,
                command=line,
                progress=step,
                **facts,
            )
    except KeyboardInterrupt:
        kept = Store(db).folder
        print(f"what is measured stays in {kept}; the same command goes on", file=sys.stderr)
        raise
    if as_json:
        print_json("tune", **found.as_dict())
        return
    show_found(found)
    more = f" --cpu {shlex.quote(cpu)}" if cpu else ""
    more += f" --numeric {numeric}" if numeric != Numeric.FLOAT32 else ""
    more += f" --db {shlex.quote(str(db))}" if db else ""
    show_next(f"delrec-compile build {shlex.quote(model)} --target {target}{more}")


def _line(
    model: str,
    target: str,
    numeric: str,
    cpu: str | None,
    device: str | None,
    minutes: float,
    trials: int | None,
) -> str:
    """The command, as it is noted beside what it found."""
    line = f"delrec-compile tune {shlex.quote(model)} --target {target} --numeric {numeric}"
    line += f" --cpu {shlex.quote(cpu)}" if cpu else ""
    line += f" --device {shlex.quote(device)}" if device else ""
    line += f" --trials {trials}" if trials else ""
    return f"{line} --minutes {minutes:g}"


def show_found(found: Tuned) -> None:
    """A Tuned as a table and a verdict."""
    from delrec_compile.cli import tables

    named = (("untuned", found.untuned), ("shipped", found.shipped), ("best", found.best))
    knobs, digits = list(found.space), 2 if found.unit == "us" else 0
    forms = {"steps": f"{found.unit} per step", "sequence": "in sequences"}
    columns = ("", *(forms[form] for form in found.shipped.costs), *knobs)
    rows = [
        (
            name,
            *(f"{cost:,.{digits}f}" for cost in measured.costs.values()),
            *(str(getattr(measured.schedule, knob)) for knob in knobs),
        )
        for name, measured in named
        if measured
    ]
    show(tables.table(f"{found.target} on {found.cpu}, {found.numeric}", columns, rows))
    n = found.trials
    show(
        f"{n['measured'] + n['known']} of {found.size} schedules measured, {n['measured']} of them "
        f"now; {n['failed']} failed; {found.ended}; {found.seconds:.0f} s; {found.how}"
    )
    if found.speedup > 1:
        show(f"{found.speedup:.2f}x as fast as shipped, same bits: 'build' takes it from now on")
    else:
        show("nothing beats the shipped schedule: it stays")
    if found.over_untuned:
        show(f"{found.over_untuned:.2f}x as fast as untuned")
    show(f"recorded in {found.store}")


@db_app.command("ls")
def db_ls(db: Db = None, as_json: Json = False) -> None:
    """List what was tuned."""
    from delrec_compile.cli import tables
    from delrec_compile.compiler.schedules.store import Store
    from delrec_compile.tuning.listing import listing

    store = Store(db)
    rows = listing(store)
    if as_json:
        print_json("db-ls", folder=str(store.folder), files=rows)
        return
    cells = [
        (
            f"{r['target']} on {r['cpu']}" if r["target"] else r["file"],
            r["numeric"] or "-",
            r["network"] or "-",
            f"{r['trials']:,}",
            f"{r['failed']:,}",
            f"{r['speedup']:.2f}x" if r["speedup"] else "-",
            r["state"],
        )
        for r in rows
    ]
    columns = ("what", "numeric", "network", "trials", "failed", "gain", "state")
    show(tables.table(str(store.folder), columns, cells))
    show_next("delrec-compile tune" if not rows else "delrec-compile db verify")


@db_app.command("verify")
def db_verify(db: Db = None, as_json: Json = False) -> None:
    """Read every record; exit 3 when one is damaged."""
    from delrec_compile.compiler.schedules.store import Store
    from delrec_compile.errors import InputError
    from delrec_compile.tuning.listing import damaged_lines

    store = Store(db)
    found = damaged_lines(store)
    whole = len(store.files()) - len({d["file"] for d in found})
    if as_json:
        print_json("db-verify", folder=str(store.folder), whole_files=whole, damaged=found)
    else:
        for d in found:
            show(f"{d['file']}, line {d['line']}: damaged: {d['text']}")
        show(f"{store.folder}: {whole} files are whole")
    if found:
        raise InputError(
            f"{len(found)} damaged lines in {store.folder}; 'delrec-compile db repair' sets them "
            "aside, nothing else is lost"
        )
    if not as_json:
        show_next("delrec-compile db ls")


@db_app.command("repair")
def db_repair(db: Db = None, as_json: Json = False) -> None:
    """Move damaged lines into quarantine files beside their own."""
    from delrec_compile.compiler.schedules.store import Store

    store = Store(db)
    moved = {str(path): store.repair(path) for path in store.files()}
    if as_json:
        print_json("db-repair", folder=str(store.folder), moved=moved)
        return
    for path, lines in moved.items():
        if lines:
            show(f"{path}: {lines} lines moved to quarantine")
    show(f"{store.folder}: {sum(moved.values())} damaged lines in {len(moved)} files")
    show_next("delrec-compile db ls")


@db_app.command("merge")
def db_merge(
    sources: Annotated[list[Path], typer.Argument(help="Other stores: folders, or their files.")],
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Take over the records of other stores."""
    from delrec_compile.compiler.schedules.store import Store

    store = Store(db)
    done = store.merge(sources)
    if as_json:
        print_json("db-merge", folder=str(store.folder), added=done.added, skipped=done.skipped)
        return
    for file, added in done.added.items():
        show(f"{file}: {added} new records")
    for file, why in done.skipped:
        show(f"{file}: {why}")
    show_next("delrec-compile db ls")


@db_app.command("export")
def db_export(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder, such as targets/tuned of a checkout.")
    ] = Path("targets/tuned"),
    target: Annotated[str | None, typer.Option("--target", "-t", help="Only of this one.")] = None,
    db: Db = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write each winner as a TOML file, with the command that found it."""
    from delrec_compile.compiler.schedules.store import Store
    from delrec_compile.tuning.listing import export_winners

    with saying() as say:
        say(f"writing to {out}")
        written = export_winners(Store(db), out, target, force)
    if as_json:
        print_json("db-export", files=[str(path) for path in written])
        return
    for path in written:
        show(str(path))
    show(f"{len(written)} winners")
    show_next("delrec-compile build")
