"""The log of a command: lines on stderr with --verbose, all of it in the file of --log-file.

Modules log to `logging.getLogger(__name__)`; a program that imports the package sees that too.
"""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from delrec_compile import __version__
from delrec_compile.cli.common import Common
from delrec_compile.errors import InputError

LOGGER = logging.getLogger("delrec_compile")
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SHORT = "%(relativeCreated)7.0f ms  %(message)s"


class Escaped(logging.Formatter):
    """Escapes control characters, which names of files that others made may hold."""

    def format(self, record: logging.LogRecord) -> str:
        from delrec_compile.errors import printable

        return "\n".join(printable(line) for line in super().format(record).splitlines())


@contextmanager
def logged(common: Common) -> Iterator[None]:
    """Logs a command as its options say, and how it ended. Raises InputError for the file."""
    handlers = list(_handlers(common))
    level = LOGGER.level
    for handler in handlers:
        LOGGER.addHandler(handler)
    if handlers:
        LOGGER.setLevel(logging.DEBUG)
    LOGGER.info("delrec-compile %s, Python %s", __version__, platform.python_version())
    LOGGER.info("arguments: %s", common.arguments)
    try:
        yield
    except BaseException as error:
        # without handlers of its own, logging would print it
        if handlers:
            LOGGER.error("%s: %s", type(error).__name__, error, exc_info=not common.verbose)
        raise
    finally:
        LOGGER.setLevel(level)
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()


def _handlers(common: Common) -> Iterator[logging.Handler]:
    if common.verbose:
        yield _with(logging.StreamHandler(sys.stderr), SHORT)
    if common.log_file is not None:
        try:
            yield _with(logging.FileHandler(common.log_file, encoding="utf-8"), LINE)
        except OSError as error:
            raise InputError(f"--log-file {common.log_file}: {error.strerror}") from error


def _with(handler: logging.Handler, form: str) -> logging.Handler:
    handler.setFormatter(Escaped(form))
    return handler
