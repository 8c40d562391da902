"""What a wrong command line probably meant: other programs' words for options and commands."""

from __future__ import annotations

from typing import Any

from typer.exceptions import TyperException

# words of other programs -> options of this one, with the same values
SYNONYMS = {
    "--target": "--targets",
    "--targets": "--target",
    "--output": "--out",
    "--output-dir": "--out",
    "--samples": "--input",
    "--data": "--input",
    "--overwrite": "--force",
    "--calibration": "--calibrate",
    "--mcpu": "--cpu",
}
COMMANDS = {
    "compile": "'build' compiles a network",
    "convert": "'import' converts another framework's model, 'build' compiles a network",
    "list": "'targets' lists the targets, 'db ls' the tuned schedules",
    "ls": "'targets' lists the targets, 'db ls' the tuned schedules",
    "help": "'--help' shows the commands, and '<command> --help' the options of one",
    "version": "'--version' prints the version",
    "info": "'inspect' shows a file",
    "show": "'inspect' shows a file",
    "test": "'check' compares spikes, 'run' classifies samples",
    "eval": "'run' classifies samples",
    "predict": "'run' classifies samples",
    "benchmark": "'bench' times an artifact",
    "quantize": "'build --numeric int8' compiles in 8 bits",
}
OPTIONS = {
    "--quantize": "the numeric mode is '--numeric int8'",
    "--quantise": "the numeric mode is '--numeric int8'",
    "--int8": "the numeric mode is '--numeric int8'",
    "--int16": "the numeric mode is '--numeric int16'",
    "--dtype": "the numeric mode is '--numeric'",
    "--precision": "the numeric mode is '--numeric'",
    "--batch-size": "the streams of 'bench --form batch' are '--batch'",
}


def corrected(error: TyperException, arguments: list[str]) -> list[str] | None:
    """The line with this program's word for an option of others; None where there is none."""
    name = getattr(error, "option_name", None)
    other = SYNONYMS.get(str(name))
    if type(error).__name__ != "NoSuchOption" or other not in _options(error):
        return None
    assert other is not None
    return [other + a.removeprefix(name) if a.split("=")[0] == name else a for a in arguments]


def message(error: TyperException) -> str:
    """The text of an error of the command line, in the user's words."""
    text, cause = error.format_message(), error.__cause__
    kind, command = type(error).__name__, getattr(getattr(error, "ctx", None), "command", None)
    if cause is not None and callable(getattr(cause, "errors", None)):
        return f"{text.split(': ', 1)[0]}: {_refused_value(cause)}"
    if kind == "NoSuchOption":
        return _unknown_option(error, text, str(getattr(command, "name", "")))
    if text.startswith("No such command '"):
        word = text.split("'")[1]
        hint = COMMANDS.get(word)
        return f"no command '{word}'; {hint}" if hint else text
    return text


def _unknown_option(error: TyperException, text: str, command: str) -> str:
    name = str(getattr(error, "option_name", ""))
    if command == "train" and _is_recipe_option(name.lstrip("-").replace("-", "_")):
        return f"no option {name}; an option of the recipe is set with --set {name[2:]}=VALUE"
    hint = OPTIONS.get(name)
    return f"no option {name} of '{command}'; {hint}" if hint else text


def _is_recipe_option(name: str) -> bool:
    from dataclasses import fields

    from delrec_compile.training.config import TrainConfig

    return any(f.name == name for f in fields(TrainConfig))


def _options(error: TyperException) -> set[str]:
    """Every option of the command that the error is of."""
    command: Any = getattr(getattr(error, "ctx", None), "command", None)
    return {flag for p in getattr(command, "params", ()) for flag in p.opts}


def _refused_value(cause: Any) -> str:
    """The value that does not fit the type of its option, and what would."""
    first = cause.errors()[0]
    value, kind, limits = first["input"], first["type"], first.get("ctx", {})
    words = {
        "int_parsing": "an integer",
        "int_from_float": "an integer",
        "float_parsing": "a number",
        "bool_parsing": "true or false",
        "greater_than_equal": f"{limits.get('ge')} or more",
        "greater_than": f"more than {limits.get('gt')}",
        "less_than_equal": f"{limits.get('le')} or less",
    }
    needed = words.get(kind)
    return f"'{value}'; {needed} is required" if needed else f"'{value}': {first['msg']}"
