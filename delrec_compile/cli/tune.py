"""The commands of tuning: tune, and db for the store of its measurements."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from delrec_compile.cli import completion
from delrec_compile.cli.inputs import PLAIN, InputOptions, calibration, chosen, with_inputs
from delrec_compile.cli.options import (
    DEFAULT,
    FLOAT32,
    Calibration,
    Cpu,
    Db,
    Force,
    Json,
    Model,
    NumericMode,
    Target,
    check_store,
    refuse_calibration,
)
from delrec_compile.cli.terminal import (
    command_line,
    counting,
    print_json,
    saying,
    show,
    show_next,
    show_next_build,
)
from delrec_compile.errors import printable

if TYPE_CHECKING:
    from delrec_compile.compiler.schedules.store import Store
    from delrec_compile.tuning.result import Tuned

db_app = typer.Typer(
    help="The store of 'tune': list, verify, repair, merge, export.", no_args_is_help=True
)


@partial(with_inputs, without=("limit",))
def tune(
    model: Model = DEFAULT,
    target: Target = "x86_64",
    numeric: NumericMode = FLOAT32,
    calibrate: Calibration = None,
    cpu: Cpu = None,
    device: Annotated[
        str | None,
        typer.Option(help="Device to measure on: rpc://host:port/key or ssh://user@host."),
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="On all free machines of --device's key at once.")
    ] = False,
    minutes: Annotated[float, typer.Option(help="Stop after this many minutes.")] = 10.0,
    trials: Annotated[int | None, typer.Option(help="Stop after this many measurements.")] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Emulators to run at once; default: one per core, at most 4.")
    ] = None,
    inputs: InputOptions = PLAIN,
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Find the fastest schedule for a network on a target; 'build' uses it from then on."""
    from delrec_compile.tuning.result import Limits

    options: dict[str, Any] = {"numeric": numeric, "cpu": cpu, "device": device}
    refuse_calibration(calibrate, numeric)
    arguments = _arguments("tune", model, target, **options, trials=trials, minutes=f"{minutes:g}")
    arguments += ["--cluster"] if cluster else []
    options |= {"db": db, "jobs": jobs, "cluster": cluster, "limits": Limits(minutes, trials)}
    tuned = _search(model, target, calibrate, inputs, command_line(*arguments), options)
    if as_json:
        print_json("tune", **tuned.as_dict())
        return
    show_tuned(tuned)
    shown = None if numeric == FLOAT32 else numeric
    there = _is_built(model, target, numeric, cpu)
    following = _arguments("build", model, target, cpu=cpu, numeric=shown, db=db)
    show_next(*following, *(("--force",) if there else ()))


def _is_built(model: str, target: str, numeric: str, cpu: str | None) -> bool:
    """Whether the folder is there that a build would make."""
    from delrec_compile import targets
    from delrec_compile.artifact.abi import artifact_name
    from delrec_compile.compiler.build import default_folder
    from delrec_compile.network import checkpoint

    profile, name = targets.load(target), artifact_name(checkpoint.load(model).name)
    mode = profile.numeric_mode(numeric)
    return Path(default_folder(name, profile.name, mode, cpu, 1)).is_dir()


def _search(
    model: str,
    target: str,
    calibrate: Path | None,
    inputs: InputOptions,
    command: str,
    options: dict[str, Any],
) -> Tuned:
    from delrec_compile.compiler.schedules.store import Store
    from delrec_compile.network import checkpoint
    from delrec_compile.tuning.tune import tune as search

    network = checkpoint.load(model)
    options |= {"calibrate": calibration(network, calibrate, inputs)}
    options |= {"samples": chosen(network, inputs)}
    try:
        with counting("tuning") as step:
            return search(network, target, command=command, progress=step, **options)
    except KeyboardInterrupt:
        folder = Store(options["db"]).folder
        text = f"measurements so far stay in {folder}; run the same command to continue from them"
        print(printable(text), file=sys.stderr)
        raise


def _arguments(verb: str, model: str, target: str, **options: Any) -> list[str]:
    """The arguments of a command line, with the options that are not None."""
    values = {"target": target, **options}
    pairs = [(f"--{name}", str(value)) for name, value in values.items() if value is not None]
    return [verb, model, *(word for pair in pairs for word in pair)]


def _store_option(db: Path | None) -> list[str]:
    return [] if db is None else ["--db", str(db)]


def show_tuned(tuned: Tuned) -> None:
    """Prints a table of the untuned, shipped and best schedules, and the verdict."""
    from delrec_compile.cli import tables

    named = (("untuned", tuned.untuned), ("shipped", tuned.shipped), ("best", tuned.best))
    knobs, digits = list(tuned.space), 2 if tuned.unit == "us" else 0
    forms = {"steps": f"{tuned.unit} per step", "sequence": "in sequences"}
    columns = ("", *(forms[form] for form in tuned.shipped.costs), *knobs)
    rows = [
        (
            name,
            *(f"{cost:,.{digits}f}" for cost in measured.costs.values()),
            *(str(getattr(measured.schedule, knob)) for knob in knobs),
        )
        for name, measured in named
        if measured
    ]
    show(tables.table(f"{tuned.target} on {tuned.cpu}, {tuned.numeric}", columns, rows))
    n = tuned.trials
    show(
        f"{n['measured'] + n['known']} of {tuned.size} schedules measured, {n['measured']} of them "
        f"now; {n['failed']} failed; {tuned.ended}; {tuned.seconds:.0f} s; {tuned.how}"
    )
    if len(tuned.devices) > 1:
        show(", ".join(f"{n} on {place}" for place, n in tuned.devices.items()))
    if tuned.speedup > 1:
        show(f"{tuned.speedup:.2f}x as fast as shipped, same bits: 'build' uses it from now on")
    else:
        show("nothing beats the shipped schedule, so it stays in use")
    if tuned.over_untuned:
        show(f"{tuned.over_untuned:.2f}x as fast as untuned")
    show(f"recorded in {tuned.store}")


def _store(db: Path | None) -> Store:
    """The store, which is there where it was named. Raises InputError."""
    from delrec_compile.compiler.schedules.store import Store

    check_store(db)
    return Store(db)


@db_app.command("ls")
def db_ls(db: Db = None, as_json: Json = False) -> None:
    """List the tuned schedules."""
    from delrec_compile.cli import tables
    from delrec_compile.tuning.listing import listing

    store = _store(db)
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
    columns = ("target", "numeric mode", "network", "trials", "failed", "gain", "state")
    show(tables.table(str(store.folder), columns, cells))
    show_next(*(("db", "verify", *_store_option(db)) if rows else ("tune", *_store_option(db))))


@db_app.command("verify")
def db_verify(db: Db = None, as_json: Json = False) -> None:
    """Read every record; exit 3 when one is damaged."""
    from delrec_compile.errors import InputError
    from delrec_compile.tuning.listing import damaged_lines

    store = _store(db)
    damaged = damaged_lines(store)
    intact = len(store.files()) - len({d["file"] for d in damaged})
    if as_json:
        print_json("db-verify", folder=str(store.folder), whole_files=intact, damaged=damaged)
    else:
        for d in damaged:
            show(f"{d['file']}, line {d['line']}: damaged: {d['text']}")
        show(f"{store.folder}: {intact} files are intact")
    if damaged:
        raise InputError(
            f"{len(damaged)} damaged lines in {store.folder}; 'delrec-compile db repair' sets them "
            "aside, nothing else is lost"
        )
    if not as_json:
        show_next("db", "ls", *_store_option(db))


@db_app.command("repair")
def db_repair(db: Db = None, as_json: Json = False) -> None:
    """Move damaged lines into quarantine files beside their own."""

    store = _store(db)
    moved = {str(path): store.repair(path) for path in store.files()}
    if as_json:
        print_json("db-repair", folder=str(store.folder), moved=moved)
        return
    for path, lines in moved.items():
        if lines:
            show(f"{path}: {lines} lines moved to quarantine")
    show(f"{store.folder}: {sum(moved.values())} damaged lines in {len(moved)} files")
    show_next("db", "ls", *_store_option(db))


@db_app.command("merge")
def db_merge(
    sources: Annotated[list[Path], typer.Argument(help="Other stores: folders, or their files.")],
    db: Db = None,
    as_json: Json = False,
) -> None:
    """Merge the records of other stores into this one."""
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
    show_next("db", "ls", *_store_option(db))


@db_app.command("export")
def db_export(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder, such as targets/tuned of a checkout.")
    ] = Path("targets/tuned"),
    target: Annotated[
        str | None,
        typer.Option("--target", "-t", help="Only this target.", autocompletion=completion.targets),
    ] = None,
    db: Db = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write each winner as a TOML file, with the command that found it."""
    from delrec_compile.tuning.listing import export_winners

    with saying(brief=True) as say:
        say(f"writing to {out}")
        written = export_winners(_store(db), out, target, force)
    if as_json:
        print_json("db-export", files=[str(path) for path in written])
        return
    for path in written:
        show(str(path))
    show(f"{len(written)} winners")
    show_next_build()
