"""The commands about other machines: devices, its tracker and server; and --device."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from delrec_compile.cli.inputs import InputOptions
from delrec_compile.cli.inputs import chosen as chosen_samples
from delrec_compile.cli.options import Devices, Json
from delrec_compile.cli.terminal import print_json, saying, show, show_line, show_next
from delrec_compile.errors import DeviceError, ParityError, UsageError, printable
from delrec_compile.runners.devices.url import TRACKER_PORT, parse_all, parse_tracker
from delrec_compile.system.folders import work_folder

Host = Annotated[
    str, typer.Option(help="Address to listen on; any but loopback is open to the network.")
]
LOOPBACK = "127.0.0.1"
CHECKED = ("device", "machine", "host", "spikes compared", "differing", "worst error", "accuracy")
TIMED = ("device", "machine", "host", "us per step", "spread", "times the first")

devices_app = typer.Typer(help="Machines to run on: list them, offer this one.")


@devices_app.callback(invoke_without_command=True)
def devices(
    context: typer.Context,
    tracker: Annotated[
        str | None, typer.Option(help="host:port of a TVM tracker; else TVM_TRACKER_HOST.")
    ] = None,
    device: Devices = None,
    as_json: Json = False,
) -> None:
    """List this machine, a tracker's and those of ssh; exit 8 when one given with --device fails."""
    if context.invoked_subcommand:
        return
    from delrec_compile.cli import tables
    from delrec_compile.runners.devices import discover

    chosen = parse_all(device or [])
    where = parse_tracker(tracker) if tracker else discover.default_tracker()
    with saying() as say:
        say("querying devices")
        listed = discover.devices(where, chosen)
    if as_json:
        print_json("devices", devices=[asdict(f) for f in listed])
    else:
        rows = [(f.device, f.state, f.machine or "-", f.detail) for f in listed]
        show(tables.table("devices", ("device", "state", "machine", "detail"), rows))
    lost = [f for f in listed if f.state == "not reached"]
    if lost:
        raise DeviceError(f"{lost[0].device} {lost[0].detail}")
    if not as_json:
        show_next("bench", "--device", listed[-1].device)


@devices_app.command("tracker")
def tracker_command(
    host: Host = LOOPBACK,
    port: Annotated[int, typer.Option(min=1, max=65535)] = TRACKER_PORT,
    as_json: Json = False,
) -> None:
    """Run TVM's tracker here, which assigns the machines that 'devices serve' offers."""
    from delrec_compile.runners.devices import serve

    def ready(at: int) -> None:
        _started(as_json, "tracker", host, at, f"tracker on {host}:{at}")
        if not as_json:
            show_next("devices", "serve", "--tracker", f"{host}:{at}", "--key", "NAME")

    serve.tracker(host, port, ready)


@devices_app.command("serve")
def serve_command(
    key: Annotated[str, typer.Option(help="Name of this kind of machine, such as pi4.")],
    tracker: Annotated[str, typer.Option(help="host:port of the tracker.")] = LOOPBACK,
    host: Host = LOOPBACK,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Port; default: the first free one from 9090 on."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Offer this machine through TVM's server. RPC runs any code that it receives."""
    from delrec_compile.runners.devices import serve

    at = parse_tracker(tracker)
    place = f"{at[0]}:{at[1]}"

    def ready(port: int) -> None:
        _started(as_json, "serve", host, port, f"{key} on {host}:{port}, of tracker {place}")
        if not as_json:
            show_next("bench", "--device", f"rpc://{place}/{key}")

    serve.server(key, at, host, port, ready, lambda text: print(printable(text), file=sys.stderr))


def _started(as_json: bool, verb: str, host: str, port: int, text: str) -> None:
    from delrec_compile.runners.devices.serve import warning

    print(f"warning: {printable(warning(host))}", file=sys.stderr, flush=True)
    if as_json:
        record = {"schema": f"delrec.devices-{verb}/1", "host": host, "port": port}
        print(json.dumps(record), flush=True)
    else:
        show_line(f"{text}; Ctrl-C ends it")


def check_devices(
    path: Path,
    urls: list[str],
    inputs: InputOptions,
    as_json: bool,
    allow_silent: bool = False,
) -> None:
    """`check --device`: exit 6 when a machine computes other bits."""
    from delrec_compile.evaluation.devices import check_on
    from delrec_compile.runners.open import artifact_taker

    chosen = parse_all(urls)
    samples = chosen_samples(artifact_taker(path), inputs)
    with saying() as say:
        say(f"checking spikes on {', '.join(map(str, chosen))}")
        result = check_on(path, chosen, samples, allow_silent=allow_silent)
    if as_json:
        print_json("check", **result)
    else:
        show_checks(result)
    judge(result)
    if not as_json:
        show_next("bench", path, *inputs.repeated(), "--device", chosen[0])


def bench_devices(
    path: Path | None, urls: list[str], inputs: InputOptions, rows: str, rounds: int, as_json: bool
) -> None:
    """`bench --device`: the native loop over time on every machine."""
    from delrec_compile import build, load
    from delrec_compile.evaluation.devices import bench_on
    from delrec_compile.runners.open import artifact_taker

    chosen = parse_all(urls)
    if rows.strip(" ,") not in ("", "ours"):
        raise UsageError(f"--rows {rows}: with --device there is one row per device, 'ours'")
    with work_folder() as folder, saying() as say:
        artifact = path or build(load(), out=folder / "artifact", progress=say).path
        samples = chosen_samples(artifact_taker(artifact), inputs)
        say(f"timing on {', '.join(map(str, chosen))}")
        result = bench_on(artifact, chosen, samples, rounds)
    if as_json:
        print_json("bench", **result)
        return
    show_times(result)
    if path is not None:
        show_next("check", path, *inputs.repeated(), "--device", chosen[0])


def show_remote(result: dict[str, Any]) -> None:
    """Prints the `remote` of a `Built`."""
    if result:
        show_checks(result)
        show_times(result["on_devices"])


def show_checks(result: dict[str, Any]) -> None:
    """Prints the table of `check_on`."""
    from delrec_compile.cli import tables
    from delrec_compile.evaluation import report

    rows = [
        (
            *_place(f),
            f"{f['spikes']['compared']:,}",
            f"{f['spikes']['differing']:,}",
            f"{f['membrane']['max_abs_error']:.3g}",
            report.share(f["accuracy"]),
        )
        for f in result["devices"]
    ]
    show(tables.table(report.parity_title(result["devices"]), CHECKED, rows))


def show_times(result: dict[str, Any]) -> None:
    """Prints the table of `bench_on` and its workload."""
    from delrec_compile.cli import tables

    rows = [
        (
            *_place(f),
            f"{f['us_per_step']:.2f}",
            f"{f['spread']:.0%}",
            f"{f['ratio_to_ours']:.1f}x",
        )
        for f in result["rows"]
    ]
    show(tables.table("latency", TIMED, rows))
    w = result["workload"]
    show(
        f"compiled, loop over time inside, one stream, CPU time of {w['samples']} samples of "
        f"{w['steps']} steps; inputs {w['input_density']:.1%} active, "
        f"hidden neurons {w['hidden_rate']:.1%}"
    )


def judge(result: dict[str, Any]) -> None:
    """Raises ParityError for the first machine that differs."""
    from delrec_compile.evaluation.proof import describe_difference

    for row in result.get("devices", ()):
        if not row["passed"]:
            raise ParityError(f"{row['device']}: {describe_difference(row)}")


def _place(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["device"].partition("?")[0], row["machine"], row["host"]
