"""Options of a training as text: a TOML file, and the `name=value` of the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from delrec_compile.errors import UsageError, did_you_mean

WORDS = {int: "a whole number", float: "a number", str: "a text"}


def read(path: str | Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The options in a TOML file, name = value each. kinds: the type of each option.

    Raises UsageError for a file that cannot be read, an unknown name or a value of another type.
    """
    try:
        told: dict[str, Any] = tomllib.loads(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            f"--config {path} is no TOML ({error}); give a line such as epochs = 80 for each option"
        ) from error
    for name, value in told.items():
        _known(f"--config {path}", name, kinds)
        kind = kinds[name]
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise UsageError(f"--config {path}: {name} is {value!r}; give {WORDS[kind]}")
        told[name] = kind(value)
    return told


def parse(options: Iterable[str], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """`name=value` texts. Raises UsageError."""
    told = {}
    for option in options:
        name, _, text = option.partition("=")
        _known(f"--set {option}", name, kinds)
        try:
            told[name] = kinds[name](text)
        except ValueError as error:
            raise UsageError(f"--set {option}: '{text}' is not {WORDS[kinds[name]]}") from error
    return told


def _known(where: str, name: str, kinds: Mapping[str, Any]) -> None:
    if name not in kinds:
        raise UsageError(
            f"{where}: no option '{name}'{did_you_mean(name, kinds)}; "
            f"allowed: {', '.join(sorted(kinds))}"
        )
