"""The list of commands in groups, and what the program prints where no command is named."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

MAKE, PROVE, PLACE, LOOK = (
    "Make networks and artifacts",
    "Prove, measure, compare",
    "Chips, boards, machines",
    "Look at files and stores",
)
GROUPS = (MAKE, PROVE, PLACE, LOOK)
OTHERS = "Other commands"
WHOLE = 1000  # characters of a description: it is wrapped, not cut
STEPS = (
    ("see what this machine can build for", "doctor"),
    ("compile a network that is bundled, prove it, time it", "build"),
    ("take your own: NIR, snnTorch, ...", "import model.nir -o net.safetensors"),
    ("say which boards it fits", "targets --fits net.safetensors"),
    ("make a page to look at", "report net.safetensors"),
)


class Commands(TyperGroup):
    """A group whose commands are listed by `rich_help_panel`, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows: dict[str, list[tuple[str, str]]] = {name: [] for name in (*GROUPS, OTHERS)}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            panel = getattr(command, "rich_help_panel", None)
            place = panel if panel in GROUPS else OTHERS
            rows[place].append((name, command.get_short_help_str(WHOLE)))
        for place, listed in rows.items():
            if listed:
                with formatter.section(place):
                    formatter.write_dl(listed)


def first_steps(program: str, summary: str) -> str:
    """What to type first, as lines for a shell, each below its meaning."""
    steps = [f"  # {what}\n  {program} {words}" for what, words in STEPS]
    rest = f"{program} --help lists every command; {program} COMMAND --help its options."
    return "\n".join([summary, "", "Start here:", *steps, "", rest])
