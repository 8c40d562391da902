"""The command line: parse, call, print. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from delrec_compile import __version__
from delrec_compile.cli import common, defaults, guesses, start, terminal
from delrec_compile.cli.build import build, export
from delrec_compile.cli.claims import claims
from delrec_compile.cli.compare import compare, flash
from delrec_compile.cli.data import data_app
from delrec_compile.cli.devices import devices_app
from delrec_compile.cli.footprint import footprint
from delrec_compile.cli.interop import import_
from delrec_compile.cli.listen import listen
from delrec_compile.cli.package import package
from delrec_compile.cli.report import report
from delrec_compile.cli.run import bench, check, run
from delrec_compile.cli.show import doctor, inspect, targets
from delrec_compile.cli.terminal import PROGRAM, command_words
from delrec_compile.cli.train import train
from delrec_compile.cli.tune import db_app, tune
from delrec_compile.errors import DelrecError, InputError, UsageError, printable
from delrec_compile.system.home import settle_home

COMPLETION = "_DELREC_COMPILE_COMPLETE"  # environment variable of a shell that asks for values
SUMMARY = "Compile trained delay-learning spiking networks for any chip, proven equal to PyTorch."
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
    help=SUMMARY,
    cls=start.Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    # for the help alone: `common.split` takes them wherever they stand on the line
    config: Annotated[
        Path | None,
        typer.Option("--config", help=f"File of defaults [{defaults.FILE}, where it is there]."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is done, on stderr.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")] = False,
    log_file: Annotated[
        Path | None, typer.Option("--log-file", help="File to which the log is appended.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    pass


for panel, members in (
    (start.MAKE, (build, import_, train, tune, export)),
    (start.PROVE, (check, run, listen, bench, compare, footprint, claims, report)),
    (start.PLACE, (targets, package, flash, doctor)),
    (start.LOOK, (inspect,)),
):
    for member in members:
        app.command(member.__name__.rstrip("_"), rich_help_panel=panel)(member)
app.add_typer(devices_app, name="devices", rich_help_panel=start.PLACE)
app.add_typer(data_app, name="data", rich_help_panel=start.LOOK)
app.add_typer(db_app, name="db", rich_help_panel=start.LOOK)


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
        if COMPLETION in os.environ:
            typer.main.get_command(app).main(prog_name=PROGRAM)
        settle_home()
        return _run_logged(common.split(arguments))
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


def _run_logged(chosen: common.Common) -> int:
    """Runs what is left of a line when its common options are applied."""
    from delrec_compile.cli.logs import logged

    if chosen.debug:
        os.environ[common.DEBUG] = "1"
    terminal.set_manners(quiet=chosen.quiet, verbose=chosen.verbose)
    if chosen.version or not chosen.arguments:
        greeting = start.first_steps(PROGRAM, f"{PROGRAM} {__version__}\n{SUMMARY}")
        with suppress(BrokenPipeError):
            print(f"{PROGRAM} {__version__}" if chosen.version else greeting)
        return 0 if chosen.version else UsageError.exit_code
    with logged(chosen):
        file, values = defaults.read(chosen.config, typer.main.get_command(app))
        if file is not None and (used := defaults.applied(values, chosen.arguments)):
            terminal.remark(f"defaults of {file}: {', '.join(used)}")
        return _run(chosen.arguments, file, values)


def _run(arguments: list[str], file: Path | None, values: dict[str, Any]) -> int:
    """Calls the command without Typer's own entry, which exits by itself on Ctrl-C and closed pipes.

    file: of defaults, and its values.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context(PROGRAM, arguments, default_map=values) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except TyperException as error:
        if (line := guesses.corrected(error, arguments)) is not None:
            return _run(line, file, values)
        if file is not None and defaults.is_blamed(error):
            raise UsageError(f"{file}: {guesses.message(error)}") from error
        if type(error).__name__ != "NoArgsIsHelpError":  # its class is not public
            raise
        with suppress(BrokenPipeError):
            print(error.format_message())
        return error.exit_code
    return 0


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
    if os.environ.get(common.DEBUG):
        raise error
    _print_error(f"error: {command_words(' '.join(text.split()))}")
    return code


def _print_error(text: str) -> None:
    with suppress(OSError):  # nobody reads it
        print(printable(text), file=sys.stderr, flush=True)
