"""Every error a user can meet, and the exit code of each.

DelrecError                 1   internal error
├── UsageError              2   the command line makes no sense
├── InputError              3   a file is missing, unreadable or refused
│   ├── CheckpointError     3   a network file
│   ├── DataError           3   an HDF5, .npz or samples file
│   ├── ModelError          3   an ONNX file
│   └── NetworkError        3   arrays that make no valid network
├── UnsupportedError        4   unknown target, op or mode
├── ToolchainError          5   a tool is missing; the message holds the command that mends it
├── ParityError             6   two runners disagree
├── BudgetError             7   slower or bigger than asked for
├── DeviceError             8   a device or RPC failed
└── CompilerCrash           9   the compiler's process died

A message is one line: what is wrong, where, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def printable(text: str) -> str:
    """The text with control characters, newlines and lone surrogates as escapes such as \\x1b.

    Names and class labels come from files that others made: printed raw, they would drive the
    terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class DelrecError(Exception):
    """Base of all errors raised on purpose by this package; its message is printable."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class UsageError(DelrecError):
    exit_code = 2


class InputError(DelrecError):
    exit_code = 3


class CheckpointError(InputError):
    pass


class DataError(InputError):
    pass


class ModelError(InputError):
    pass


class NetworkError(InputError):
    pass


class UnsupportedError(DelrecError):
    exit_code = 4


class ToolchainError(DelrecError):
    exit_code = 5


class ParityError(DelrecError):
    exit_code = 6


class BudgetError(DelrecError):
    exit_code = 7


class DeviceError(DelrecError):
    exit_code = 8


class CompilerCrash(DelrecError):  # noqa: N818
    exit_code = 9


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the nearest known word, or an empty string."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    near = near or [k for k in known if len(word) > 2 and k.startswith(word)]
    return f"; did you mean '{near[0]}'?" if near else ""
