"""Defaults of the commands from a file, `delrec.toml`: a table for each command, a key for each option.

Nothing in it is run: what would run code, write to a board or reach another machine is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from delrec_compile.errors import InputError, UsageError, did_you_mean
from delrec_compile.system.fields import parse_toml

FILE = "delrec.toml"
LARGEST = 1 << 20  # bytes
# options that are of a command line alone
REFUSED = {
    "import": ("source",),
    "flash": ("yes",),
    **dict.fromkeys(("build", "check", "bench", "tune"), ("device",)),
    **dict.fromkeys(("train", "claims"), ("cluster",)),
}
REFUSED_GROUPS = ("devices",)


def read(named: Path | None, group: Any) -> tuple[Path | None, dict[str, Any]]:
    """The file, and its values by command and parameter; no file: nothing.

    named: by --config; None: `delrec.toml` of the working folder, where there is one. group: all
    commands. Raises InputError for a file that cannot be read, UsageError for a name in it.
    """
    path = named or Path(FILE)
    if named is None and not path.is_file():
        return None, {}
    try:
        if path.is_file() and path.stat().st_size > LARGEST:
            raise InputError(f"{path}: over {LARGEST:,} bytes; a file of defaults is short")
        tables = parse_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from error
    return path, _of_group(tables, group, str(path), "")


def applied(values: Mapping[str, Any], arguments: list[str]) -> tuple[str, ...]:
    """The names of the values that a command line takes from the file."""
    table: Any = values
    for word in arguments:
        if not isinstance(table, Mapping) or not isinstance(table.get(word), Mapping):
            break
        table = table[word]
    return () if table is values else tuple(table)


def is_blamed(error: Any) -> bool:
    """Whether an error of a command line is of a value that the file gave."""
    context, parameter = (getattr(error, name, None) for name in ("ctx", "param"))
    if context is None or parameter is None:
        return False
    source = context.get_parameter_source(parameter.name)
    return getattr(source, "name", "") == "DEFAULT_MAP"


def _of_group(tables: Mapping[str, Any], group: Any, path: str, above: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, table in tables.items():
        whole = f"{above}{name}"
        if name not in group.commands:
            known = ", ".join(group.commands)
            hint = did_you_mean(name, group.commands)
            raise UsageError(f"{path}: no command '{whole}'{hint}; allowed: {known}")
        if not isinstance(table, Mapping):
            raise UsageError(f"{path}: {whole} is no table; write [{whole}]")
        if whole in REFUSED_GROUPS:
            raise UsageError(f"{path}: [{whole}] reaches other machines: on the command line only")
        command = group.commands[name]
        within = _of_group if hasattr(command, "commands") else _of_command
        found[name] = within(table, command, path, f"{whole}." if within is _of_group else whole)
    return found


def _of_command(table: Mapping[str, Any], command: Any, path: str, whole: str) -> dict[str, Any]:
    known = dict(_keys(command))
    refused = REFUSED.get(whole, ())
    found = {}
    for key, value in table.items():
        word = key.replace("-", "_")
        if word in refused:
            raise UsageError(f"{path}: [{whole}] {key}: on the command line only")
        if word not in known:
            allowed = [name for name in known if name not in refused]
            hint = did_you_mean(word, allowed)
            raise UsageError(
                f"{path}: [{whole}] has no key '{key}'{hint}; allowed: {', '.join(allowed)}"
            )
        parameter = known[word]
        _check(value, parameter, f"{path}: [{whole}] {key} = {value!r}")
        found[parameter.name] = value
    return found


def _keys(command: Any) -> Iterator[tuple[str, Any]]:
    """The long names of a command's parameters, as keys: those of options without dashes."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            yield parameter.name, parameter
        for flag in parameter.opts:
            if flag.startswith("--") and flag != "--help":
                yield flag[2:].replace("-", "_"), parameter


def _check(value: Any, parameter: Any, where: str) -> None:
    """Raises UsageError for a value that is no text, number, truth value or list of them, as needed."""
    several = bool(getattr(parameter, "multiple", False))
    if isinstance(value, list) != several:
        raise UsageError(f"{where}; a {'list' if several else 'single value'} is required")
    for item in value if several else [value]:
        if not isinstance(item, str | int | float):
            raise UsageError(f"{where}; texts, numbers, true and false are allowed")
    flag = bool(getattr(parameter, "is_flag", False))
    if not several and isinstance(value, bool) != flag:
        raise UsageError(
            f"{where}; {'true or false is' if flag else 'a text or a number is'} required"
        )
