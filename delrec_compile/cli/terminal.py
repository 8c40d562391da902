"""Talking to the user: results on stdout, progress on stderr."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile.bundled import DEFAULT
from delrec_compile.errors import printable

if TYPE_CHECKING:
    from rich.console import Console


PROGRAM = "delrec-compile"
MANNERS = {"silent": False, "verbose": False}
WIDE = 120  # characters of a table where stdout is no terminal and COLUMNS is not set
EVERY_S = 10.0  # between lines of progress where stderr is no terminal


def print_json(verb: str, **result: Any) -> None:
    """The result on stdout, with its schema."""
    print(json.dumps({"schema": f"delrec.{verb}/1", **result}, indent=2))


def plain(value: Any) -> Any:
    """Values of a dataclass as JSON takes them."""
    return json.loads(json.dumps(value, default=str))


def show(*items: Any) -> None:
    """Prints text as it stands, and tables, on stdout."""
    from rich.text import Text

    there = sys.stdout.isatty()
    console = _console(width=None if there or "COLUMNS" in os.environ else WIDE)
    for item in items:
        if isinstance(item, str):
            console.print(Text(printable(item)), soft_wrap=not there)
        else:
            console.print(item.fitted(console) if hasattr(item, "fitted") else item)


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


def set_manners(*, quiet: bool, verbose: bool) -> None:
    """What stderr holds beside errors: nothing, or the lines of the log, which hold all of it."""
    MANNERS.update(silent=quiet or verbose, verbose=verbose)


def remark(text: str) -> None:
    """A line on stderr, so that stdout holds the result alone."""
    _show_progress(text)


def note(text: str) -> None:
    """A note on stderr, so that stdout holds the result alone."""
    _show_progress(f"note: {text}")


def _show_progress(text: str) -> None:
    _log(text)
    if not MANNERS["silent"]:
        print(printable(text), file=sys.stderr, flush=True)


def _log(text: str) -> None:
    import logging

    logging.getLogger(__name__).info("%s", text)


# options as the Python API has them, and as the command line does
OPTIONS = (
    (r"(?:with )?\bout=\.\.\.", "with -o"),
    (r"\b(force|resume|allow_unproven)=True\b", lambda m: f"--{m[1].replace('_', '-')}"),
    (r"\b(calibrate|url)=\.\.\.", lambda m: f"--{m[1]}"),
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
    """Progress on stderr: a spinner with the time left on a terminal, else a line for each part.

    brief: of short work; no lines where stderr is not a terminal.
    """
    console = _console(stderr=True)
    if console.is_terminal and not MANNERS["silent"]:
        with _spinner(console) as say:
            yield say
    else:
        yield _log if brief else _show_progress


@contextmanager
def _spinner(console: Console) -> Iterator[Callable[[str], None]]:
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.text import Text

    from delrec_compile.cli.durations import Durations, clock
    from delrec_compile.system.files import cache_folder

    known = Durations(cache_folder("durations.json", "DELREC_DURATIONS"), " ".join(sys.argv[1:2]))
    part, since = "", time.monotonic()

    class Clock(ProgressColumn):
        """The time of the part, and what is left of it."""

        def render(self, task: Task) -> Text:
            return Text(clock(time.monotonic() - since, task.total), "cyan")

    def say(text: str) -> None:
        nonlocal part, since
        now = time.monotonic()
        known.took(part, now - since)
        part, since = text, now
        _log(text)
        progress.update(task, description=printable(text), total=known.expected(text))

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), Clock())
    above = sys.stdout.isatty()  # else what is printed belongs to a file or a pipe
    with Progress(*columns, console=console, transient=True, redirect_stdout=above) as progress:
        task = progress.add_task("starting", total=None)
        yield say
        known.took(part, time.monotonic() - since)


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Progress on stderr, step(done, total, text): a bar on a terminal, else a line now and then."""
    console = _console(stderr=True)
    if not console.is_terminal or MANNERS["silent"]:
        yield _lines_now_and_then(title)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False, table_column=rest),
    )
    above = sys.stdout.isatty()  # else what is printed belongs to a file or a pipe
    with Progress(*columns, console=console, expand=True, redirect_stdout=above) as progress:
        task = progress.add_task(title, total=None, note="")

        def step(done: int, total: int, note: str) -> None:
            _log(f"{title} {done}/{total} {note}")
            progress.update(task, completed=done, total=total or None, note=printable(note))

        yield step


def _lines_now_and_then(title: str) -> Callable[[int, int, str], None]:
    from delrec_compile.cli.durations import left

    start, last = time.monotonic(), -EVERY_S

    def step(done: int, total: int, note: str) -> None:
        nonlocal last
        passed = time.monotonic() - start
        if passed - last >= EVERY_S or done == total > 0:
            last = passed
            count = f" {done}/{total}" if total else ""
            _show_progress(f"{title}{count}{left(passed, done, total)} {note}".rstrip())

    return step


@contextmanager
def counting(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal, else a line on stderr for each part: step(done, total, text)."""
    if sys.stderr.isatty():
        with bar(title) as step:
            yield step
        return
    from delrec_compile.cli.durations import left

    start = time.monotonic()

    def line(done: int, total: int, note: str) -> None:
        rest = left(time.monotonic() - start, done, total)
        _show_progress(f"[{min(done + 1, total)}/{total}] {note}{rest}")

    yield line
