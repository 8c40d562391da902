"""The plan of a conversion on the terminal: what --dry-run prints."""

from __future__ import annotations

import typer

from delrec_compile.cli.terminal import print_json, show
from delrec_compile.network.plan import Plan

COLUMNS = ("name", "kind", "becomes", "refused because", "what would do")


def show_plan(command: str, plan: Plan, as_json: bool) -> None:
    """Prints a plan. Ends the command with exit code 4 if a part is refused."""
    if as_json:
        print_json(f"{command}.plan", **plan.as_dict())
    else:
        from delrec_compile.cli.tables import table

        rows = [(p.name, p.kind, p.becomes, p.refused, p.instead) for p in plan.parts]
        used = [i for i, _ in enumerate(COLUMNS) if i < 3 or any(row[i] for row in rows)]
        cells = [tuple(row[i] for i in used) for row in rows]
        show(table(f"{plan.source} ({plan.form})", [COLUMNS[i] for i in used], cells))
        for remark in plan.remarks:
            show(f"note: {remark}")
        refused = len(plan.refused)
        show(
            f"{refused} of {len(plan.parts)} refused; nothing was written"
            if refused
            else f"all {len(plan.parts)} are supported; nothing was written"
        )
    if not plan.ok:
        raise typer.Exit(plan.exit_code)
