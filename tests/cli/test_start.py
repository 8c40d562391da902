"""The list of commands, and what is printed where no command is named."""

from __future__ import annotations

import shlex

import typer

from delrec_compile.cli import app, start

COMMAND = typer.main.get_command(app.app)


def test_every_command_is_in_a_group_of_the_help() -> None:
    help_text = COMMAND.get_help(typer.Context(COMMAND, info_name="delrec-compile"))
    assert f"{start.OTHERS}:" not in help_text
    for name in (*start.GROUPS, *COMMAND.commands):  # type: ignore[attr-defined]
        assert name in help_text
    assert "..." not in help_text.partition("ARGS]...")[2]
    assert max(map(len, help_text.splitlines())) <= 80


def test_the_first_steps_are_commands_with_options_that_exist() -> None:
    text = start.first_steps("delrec-compile", "summary")
    assert text.startswith("summary\n")
    assert max(map(len, text.splitlines())) <= 86
    lines = [shlex.split(s) for s in text.splitlines() if s.startswith("  delrec-compile")]
    assert len(lines) == len(start.STEPS)
    for _, name, *rest in lines:
        COMMAND.commands[name].make_context(name, rest)  # type: ignore[attr-defined]
