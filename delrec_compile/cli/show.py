"""The commands that only look: inspect, targets, doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from delrec_compile.cli.options import DEFAULT, Json, Model
from delrec_compile.cli.terminal import print_json, show, show_next


def inspect(model: Model = DEFAULT, as_json: Json = False) -> None:
    """Show a network: sizes, savings, state, ONNX schema."""
    from delrec_compile.cli import tables
    from delrec_compile.network import checkpoint
    from delrec_compile.network.summary import inspect as facts_of

    facts = facts_of(checkpoint.load(model))
    if as_json:
        print_json("inspect", **facts)
        return
    show(tables.network_table(facts), *tables.network_lines(facts), "")
    state = [
        (f"past_{s['name']} -> present_{s['name']}", str(["batch", *s["shape"]]), s["meaning"])
        for s in facts["onnx"]["state"]
    ]
    show(tables.table("state of the ONNX step", ("tensor", "shape", "meaning"), state))
    for key, value in facts["notes"].items():
        show(f"{key}: {value}")
    show_next(f"delrec-compile build {model}")


def targets(as_json: Json = False) -> None:
    """List the targets and whether this machine can build for them."""
    from delrec_compile import targets as profiles
    from delrec_compile.cli import tables
    from delrec_compile.system import nvrtc, toolchain
    from delrec_compile.system.doctor import missing

    rows: list[dict[str, Any]] = []
    for name in profiles.names():
        profile = profiles.load(name)
        lacks = missing(profile)
        fix = (
            {"zig": toolchain.CROSS_HINT, "cuda": nvrtc.INSTALL_HINT}.get(
                lacks[0], toolchain.INSTALL_HINT
            )
            if lacks
            else ""
        )
        rows.append(
            {
                "name": name,
                "summary": profile.summary,
                "ready": not lacks,
                "missing": lacks,
                "fix": fix,
                "numeric": list(profile.numeric),
                "how": profile.how,
            }
        )
    if as_json:
        print_json("targets", targets=rows)
        return
    cells = [
        (r["name"], r["summary"], "yes" if r["ready"] else "no", ", ".join(r["numeric"]), r["fix"])
        for r in rows
    ]
    show(tables.table("targets", ("target", "what", "ready", "numeric", "fix"), cells))
    show_next(f"delrec-compile build --target {rows[0]['name']}")


def doctor(as_json: Json = False) -> None:
    """Probe every tool that a command may need; exit 5 when one is missing."""
    from delrec_compile.cli import tables
    from delrec_compile.system.doctor import doctor as probe

    findings = probe()
    bad = [f for f in findings if not f.ok]
    if as_json:
        print_json("doctor", findings=[asdict(f) for f in findings], ready=not bad)
    else:
        columns = ("tool", "state", "what is here", "needed for", "fix")
        show(tables.table("this machine", columns, tables.finding_rows(findings)))
    if bad:
        raise typer.Exit(5)
    if not as_json:
        show_next("delrec-compile build")
