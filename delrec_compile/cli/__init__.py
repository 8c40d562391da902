"""The command line: parse, call, print.

May import: every room.
Start reading at: `app.py`.
Public: `main`.
"""

from __future__ import annotations


def main() -> None:
    """Entry point of `delrec-compile`."""
    from delrec_compile.cli import app

    app.main()
