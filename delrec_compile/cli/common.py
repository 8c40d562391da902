"""The options that every command has, wherever they stand on the line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delrec_compile.errors import UsageError

DEBUG = "DELREC_DEBUG"
FLAGS = {
    "--debug": "debug",
    "--verbose": "verbose",
    "-v": "verbose",
    "--quiet": "quiet",
    "-q": "quiet",
    "--version": "version",
}
FILES = {"--log-file": "log_file", "--config": "config"}
OWN_CONFIG = "train"  # its --config is a recipe


@dataclass(frozen=True)
class Common:
    """The common options of a line, and the rest of it.

    debug: tracebacks. verbose, quiet: more or less on stderr. log_file: gets all of it. config: the
    file of defaults.
    """

    arguments: list[str]
    debug: bool = False
    verbose: bool = False
    quiet: bool = False
    version: bool = False
    log_file: Path | None = None
    config: Path | None = None


def split(line: list[str]) -> Common:
    """Raises UsageError for an option without its file, and for two that contradict each other."""
    end = line.index("--") if "--" in line else len(line)
    words = iter(line[:end])
    rest: list[str] = []
    found: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if word in FLAGS:
            found[FLAGS[word]] = True
        elif name in FILES and not (name == "--config" and OWN_CONFIG in rest[:1]):
            found[FILES[name]] = _file(name, value, words)
        else:
            rest.append(word)
    if found.get("verbose") and found.get("quiet"):
        raise UsageError("--verbose and --quiet: only one of them")
    return Common([*rest, *line[end:]], **found)


def _file(name: str, value: str, words: Iterator[str]) -> Path:
    value = value or next(words, "")
    if not value or value.startswith("-"):
        raise UsageError(f"{name}: a file is required")
    return Path(value)
