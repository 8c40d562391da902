"""The command line: parse, call, print. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from delrec_compile import __version__
from delrec_compile.cli import guesses
from delrec_compile.cli.build import build, export
from delrec_compile.cli.claims import claims
from delrec_compile.cli.compare import compare, flash
from delrec_compile.cli.data import data_app
from delrec_compile.cli.devices import devices_app
from delrec_compile.cli.footprint import footprint
from delrec_compile.cli.interop import import_
from delrec_compile.cli.listen import listen
from delrec_compile.cli.report import report
from delrec_compile.cli.run import bench, check, run
from delrec_compile.cli.show import doctor, inspect, targets
from delrec_compile.cli.terminal import PROGRAM, command_words, printable
from delrec_compile.cli.train import train
from delrec_compile.cli.tune import db_app, tune
from delrec_compile.errors import DelrecError, InputError
from delrec_compile.system.home import settle_home

DEBUG = "DELREC_DEBUG"
ENDED = 128  # plus the number of the signal, as shells have it: 130 for Ctrl-C, 143 for SIGTERM
# faults of the place where a file lies, not of the program
DENIED = (
    errno.EACCES,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)

app = typer.Typer(
    name=PROGRAM,
    help="Compile trained delay-learning spiking networks for any chip, proven equal to PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(db_app, name="db")
app.add_typer(devices_app, name="devices")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    # `main` takes both wherever they stand on the line
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


app.command()(build)
app.command()(export)
app.command()(run)
app.command()(check)
app.command()(bench)
app.command()(inspect)
app.command()(targets)
app.command()(doctor)
app.command()(claims)
app.command()(compare)
app.command()(flash)
app.command()(footprint)
app.command()(listen)
app.command()(report)
app.command("import")(import_)
app.command()(train)
app.command()(tune)


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP, after which is cleaned up as after Ctrl-C."""

    def __init__(self, number: int) -> None:
        self.number = number


def _end(number: int, _frame: Any) -> None:
    raise Ended(number)


def main() -> None:
    """Entry point: one line per error, its exit code, no traceback without --debug."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP
            signal.signal(number, _end)
    code = _exit_code(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            code = code or _os_error(error)
            # the interpreter flushes once more at its end, and a failure there is exit 120
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _exit_code(arguments: list[str]) -> int:
    """Runs a command line; its error, if any, is printed."""
    try:
        settle_home()
        return _run(_without_debug(arguments))
    except TyperException as error:
        return _fail(error, guesses.message(error), error.exit_code)
    except DelrecError as error:
        return _fail(error, str(error), error.exit_code)
    except Ended as end:
        _print_error(f"ended by {signal.Signals(end.number).name}")
        return ENDED + end.number
    except (KeyboardInterrupt, typer.Abort):
        _print_error("interrupted")
        return ENDED + signal.SIGINT
    except OSError as error:
        return _os_error(error)
    except Exception as error:
        return _internal(error)


def _run(arguments: list[str]) -> int:
    """Calls the command without Typer's own entry, which exits by itself on Ctrl-C and closed pipes."""
    command = typer.main.get_command(app)
    try:
        with command.make_context(PROGRAM, arguments) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except TyperException as error:
        if (line := guesses.corrected(error, arguments)) is not None:
            return _run(line)
        if type(error).__name__ != "NoArgsIsHelpError":  # its class is not public
            raise
        with suppress(BrokenPipeError):
            print(error.format_message())
        return error.exit_code
    return 0


def _without_debug(arguments: list[str]) -> list[str]:
    """The line without --debug, which is applied; --version alone where it occurs. Up to `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    before, after = arguments[:end], arguments[end:]
    if "--version" in before:
        return ["--version"]
    if "--debug" in before:
        os.environ[DEBUG] = "1"
    return [a for a in before if a != "--debug"] + after


def _os_error(error: OSError) -> int:
    """A reader that left is no error; a full disk or a forbidden file is the user's to mend."""
    if error.errno == errno.EPIPE and _reader_left():
        return 0
    if error.errno in DENIED:
        place = error.filename or "the output cannot be written"
        return _fail(error, f"{place}: {error.strerror}", InputError.exit_code)
    return _internal(error)


def _reader_left() -> bool:
    """Whether standard output or error is a pipe that nobody reads any more."""
    poll = select.poll()
    for stream in (sys.stdout, sys.stderr):
        poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _internal(error: Exception) -> int:
    text = f"internal error: {type(error).__name__}: {error}; run again with --debug, report it"
    return _fail(error, text, DelrecError.exit_code)


def _fail(error: Exception, text: str, code: int) -> int:
    if os.environ.get(DEBUG):
        raise error
    _print_error(f"error: {command_words(' '.join(text.split()))}")
    return code


def _print_error(text: str) -> None:
    with suppress(OSError):  # nobody reads it
        print(printable(text), file=sys.stderr, flush=True)
