"""Talking to the user: results on stdout, progress on stderr."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile.bundled import DEFAULT

if TYPE_CHECKING:
    from rich.console import Console


PROGRAM = "delrec-compile"


def print_json(verb: str, **result: Any) -> None:
    """The result on stdout, with its schema."""
    print(json.dumps({"schema": f"delrec.{verb}/1", **result}, indent=2))


def plain(value: Any) -> Any:
    """Values of a dataclass as JSON takes them."""
    return json.loads(json.dumps(value, default=str))


def printable(text: str) -> str:
    """The text with control characters, newlines and lone surrogates as escapes such as \\x1b.

    Names and class labels come from files that others made: printed raw, they would drive the
    terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def show(*items: Any) -> None:
    """Prints text as it stands, and tables, on stdout."""
    from rich.text import Text

    console = _console(width=None if sys.stdout.isatty() else 120)
    for item in items:
        console.print(Text(printable(item)) if isinstance(item, str) else item)


def _console(**options: Any) -> Console:
    from rich import console

    class Raising(console.Console):
        """Leaves a closed pipe to the caller, where rich ends the process."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    return Raising(highlight=False, **options)


def show_line(text: str) -> None:
    """Prints a line on stdout that is never wrapped."""
    print(printable(text), flush=True)


def command_line(*arguments: object) -> str:
    """A line for a shell. Every argument is quoted where it needs to be."""
    return shlex.join([PROGRAM, *map(str, arguments)])


def _way_to_the_command() -> str | None:
    """The line after which a shell finds the command by its name, or None where it does now."""
    if shutil.which(PROGRAM):
        return None
    folder = Path(sys.executable).parent
    if folder.is_relative_to(Path.cwd()):
        folder = folder.relative_to(Path.cwd())
    if not (folder / PROGRAM).is_file():
        return (
            f"alias {PROGRAM}={shlex.quote(shlex.join([sys.executable, '-m', 'delrec_compile']))}"
        )
    if (folder / "activate").is_file():
        return shlex.join([".", str(folder / "activate")])
    return f"export PATH={shlex.quote(str(folder))}:$PATH"


def unused(name: str) -> str:
    """The file name, with a number where such a file exists."""
    path = Path(name)
    number = 1
    while path.exists():
        number += 1
        path = Path(name).with_stem(f"{Path(name).stem}-{number}")
    return str(path)


def show_next_build(model: object = DEFAULT, name: str = "", target: str = "x86_64") -> None:
    """Prints the command that builds a network, also where its folder is there already.

    name: of the network, by default that of its file.
    """
    chosen = () if target == "x86_64" else ("--target", target)
    there = Path(f"{name or Path(str(model)).stem}-{target}").is_dir()
    show_next("build", model, *chosen, *(("--force",) if there else ()))


def show_next(*arguments: object) -> None:
    """Prints the command that usually follows, for a shell, and what makes that shell find it."""
    if (way := _way_to_the_command()) is not None:
        show_line(f"first: {way}")
    show_line(f"next: {command_line(*arguments)}")


def remark(text: str) -> None:
    """A line on stderr, so that stdout holds the result alone."""
    _show_progress(text)


def note(text: str) -> None:
    """A note on stderr, so that stdout holds the result alone."""
    _show_progress(f"note: {text}")


def _show_progress(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


# options as the Python API has them, and as the command line does
OPTIONS = (
    (r"(?:with )?\bout=\.\.\.", "with -o"),
    (r"\b(force|resume|allow_unproven)=True\b", lambda m: f"--{m[1].replace('_', '-')}"),
    (r"\b(calibrate)=\.\.\.", lambda m: f"--{m[1]}"),
    (r"\b(unroll|jobs|batch)=(?=\S)", lambda m: f"--{m[1]} "),
)


def command_words(text: str) -> str:
    """A message of the Python API in the words of the command line."""
    for pattern, option in OPTIONS:
        text = re.sub(pattern, option, text)
    return text


def judge_unproven(proven: bool | None, path: object, allowed: bool) -> None:
    """Raises ParityError for an artifact that nothing ran, unless that is allowed."""
    from delrec_compile.errors import ParityError

    if not proven and not allowed:
        raise ParityError(
            f"{path} is built, but unproven: nothing here runs its code; build it with "
            "--allow-unproven to accept that, or check it with --device"
        )


@contextmanager
def saying(*, brief: bool = False) -> Iterator[Callable[[str], None]]:
    """Progress on stderr: a spinner on a terminal, else a line for each part.

    brief: of short work; no lines where stderr is not a terminal.
    """
    from rich.text import Text

    console = _console(stderr=True)
    if not console.is_terminal:
        yield (lambda _: None) if brief else _show_progress
        return
    with console.status("starting") as status:
        yield lambda text: status.update(Text(printable(text)))


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on stderr: step(done, total, text)."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=_console(stderr=True)) as progress:
        task = progress.add_task(title, total=None, note="")
        yield lambda done, total, note: progress.update(
            task, completed=done, total=total, note=printable(note)
        )


@contextmanager
def counting(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal, else a line on stderr for each part: step(done, total, text)."""
    if sys.stderr.isatty():
        with bar(title) as step:
            yield step
        return
    yield lambda done, total, note: _show_progress(f"[{min(done + 1, total)}/{total}] {note}")
