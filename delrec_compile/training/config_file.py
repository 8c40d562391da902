"""Options of a training as text: a TOML file, and the `name=value` of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from delrec_compile.errors import InputError, UsageError, did_you_mean
from delrec_compile.system.fields import parse_toml

TYPE_NAMES = {int: "an integer", float: "a number", str: "text"}


def read(path: str | Path, kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a TOML file, one name = value each.

    kinds: type of each option. Raises InputError for an unreadable file; UsageError for an unknown
    name, or a value of another type.
    """
    where = f"--config {path}"
    return typed(where, tables(where, path), kinds)


def tables(where: str, path: str | Path) -> dict[str, Any]:
    """What a TOML file holds. Raises InputError for an unreadable file, UsageError for another one."""
    try:
        found: dict[str, Any] = parse_toml(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{where} cannot be read: {why}") from error
    except ValueError as error:
        raise UsageError(
            f"{where} is not valid TOML ({error}); write a line per option, such as epochs = 80"
        ) from error
    return found


def typed(where: str, options: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The options, each of its type. Raises UsageError for an unknown name, or another type."""
    values = {}
    for name, value in options.items():
        _check_name(where, name, kinds)
        kind = kinds[name]
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise UsageError(f"{where}: {name} is {value!r}; {TYPE_NAMES[kind]} is required")
        values[name] = kind(value)
    return values


def parse(options: Iterable[str], kinds: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Options of `name=value` texts. before: what was typed before each. Raises UsageError."""
    values = {}
    for option in options:
        name, equals, text = option.partition("=")
        where = f"--set {before}{option}"
        _check_name(where, name, kinds)
        if not equals:
            raise UsageError(f"{where}: a value is required, such as {where}=VALUE")
        try:
            values[name] = kinds[name](text)
        except ValueError as error:
            raise UsageError(f"{where}: '{text}' is not {TYPE_NAMES[kinds[name]]}") from error
    return values


def _check_name(where: str, name: str, kinds: Mapping[str, Any]) -> None:
    if name not in kinds:
        raise UsageError(
            f"{where}: no option '{name}'{did_you_mean(name, kinds)}; "
            f"allowed: {', '.join(sorted(kinds))}"
        )
