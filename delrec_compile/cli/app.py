"""The command line: parse, call, print. Heavy parts are imported by the command that needs them."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from delrec_compile.cli.build import build, export
from delrec_compile.cli.claims import claims
from delrec_compile.cli.compare import compare, flash
from delrec_compile.cli.data import data_app
from delrec_compile.cli.devices import devices_app
from delrec_compile.cli.footprint import footprint
from delrec_compile.cli.interop import import_
from delrec_compile.cli.run import bench, check, run
from delrec_compile.cli.show import doctor, inspect, targets
from delrec_compile.cli.terminal import printable
from delrec_compile.cli.train import train
from delrec_compile.cli.tune import db_app, tune
from delrec_compile.errors import DelrecError

app = typer.Typer(
    name="delrec-compile",
    help="Compile trained delay-learning spiking networks for any chip, proven equal to PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(db_app, name="db")
app.add_typer(devices_app, name="devices")


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    if debug:
        os.environ["DELREC_DEBUG"] = "1"


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
app.command("import")(import_)
app.command()(train)
app.command()(tune)


def main() -> None:
    """Entry point: one line per error, its exit code, no traceback without --debug."""
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        code = error.exit_code
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
        else:
            _fail(error, error.format_message(), code)
    except DelrecError as error:
        code = _fail(error, str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115
        code = 0
    except Exception as error:
        text = f"internal error: {type(error).__name__}: {error}; run again with --debug, report it"
        code = _fail(error, text, 1)
    sys.exit(code or 0)


def _fail(error: Exception, text: str, code: int) -> int:
    if os.environ.get("DELREC_DEBUG"):
        raise error
    print(f"error: {printable(' '.join(text.split()))}", file=sys.stderr)
    return code
