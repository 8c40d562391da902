"""The line that installs an extra of this package, from where it came."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install(extra: str) -> str:
    """A command for pip: from the checkout where this is one, else by the name of the package."""
    if not (ROOT / "pyproject.toml").is_file():
        return f"pip install 'delrec-compile[{extra}]'"
    return f"pip install -e '{'.' if Path.cwd() == ROOT else ROOT}[{extra}]'"
