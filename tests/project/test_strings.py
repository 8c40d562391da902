"""Names of modules in strings: what is imported late, or in another process, exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.tree import ROOT, SOURCES, dotted, file_of, name, parsed, resolves, settings

PYTHON = [
    *SOURCES,
    *sorted((ROOT / "tests").rglob("*.py")),
    *sorted((ROOT / "benchmarks").glob("*.py")),
]
TEMPLATES = sorted(
    p for p in (ROOT / "targets").rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"}
)
CALL = re.compile(r"\b(delrec_compile(?:\.\w+)*):(\w+)")
IMPORT = re.compile(r"\bfrom (delrec_compile[\w.]*) import (\w+(?:, \w+)*)")


def strings(path: Path) -> Iterator[str]:
    """String constants of a module, docstrings included; an f-string by its constant parts."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def named(text: str) -> Iterator[str]:
    """What a text names: `module:attribute`, and `from module import names`."""
    for module, attribute in CALL.findall(text):
        yield f"{module}.{attribute}"
    for module, names in IMPORT.findall(text):
        for attribute in names.split(", "):
            yield f"{module}.{attribute}"


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_strings_name_what_exists(path: Path) -> None:
    for text in strings(path):
        for reference in named(text):
            assert resolves(reference), reference


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_modules_of_this_file_by_name(path: Path) -> None:
    """`f"{__name__}:function"` and `f"{__spec__.name}:function"` name functions of that file."""
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.JoinedStr) or len(node.values) != 2:
            continue
        module, rest = (ast.unparse(node.values[0]), node.values[1])
        if "__name__" in module or "__spec__" in module:
            assert isinstance(rest, ast.Constant)
            if match := re.fullmatch(r":(\w+)", str(rest.value)):
                tree = parsed(path).body
                assert match[1] in {getattr(n, "name", None) for n in tree}, match[1]


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_modules_that_are_imported_by_name_have_their_package(path: Path) -> None:
    """`import_module(f"delrec_compile.a.{x}")`: the package is there; without a field, the module."""
    for node in ast.walk(parsed(path)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")):
            continue
        argument = node.args[0]
        if isinstance(argument, ast.Constant):
            assert not argument.value.startswith("delrec_compile") or file_of(argument.value)
        elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
            prefix = str(argument.values[0].value)
            if prefix.startswith("delrec_compile"):
                assert file_of(prefix.rstrip(".")), prefix


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_templates_and_profiles_name_modules_that_exist(path: Path) -> None:
    for reference in re.findall(r"\bdelrec_compile(?:\.[a-z_]+)+\b", path.read_text()):
        assert resolves(reference), reference


def test_the_commands_of_the_package_exist() -> None:
    for entry in settings()["project"]["scripts"].values():
        module, attribute = entry.split(":")
        assert resolves(f"{module}.{attribute}")


def test_what_other_processes_are_told_is_seen() -> None:
    """Guards the tests above: they find the calls and the programs that exist."""
    found = {reference for path in SOURCES for text in strings(path) for reference in named(text)}
    assert len(found) >= 15
    boots = [path for path in SOURCES if re.search(r"^BOOT\b", path.read_text(), re.MULTILINE)]
    assert boots
    for path in boots:
        module = dotted(path)
        assert any(r.startswith("delrec_compile.") for t in strings(path) for r in named(t)), module


@pytest.mark.parametrize(
    "reference",
    ["delrec_compile.build", "delrec_compile.errors.DelrecError", "delrec_compile.ops.lif"],
)
def test_a_name_that_exists_resolves(reference: str) -> None:
    assert resolves(reference)


@pytest.mark.parametrize(
    "reference", ["delrec_compile.x", "delrec_compile.errors.X", "delrec_compile.a.b.C"]
)
def test_a_name_that_is_wrong_does_not(reference: str) -> None:
    assert not resolves(reference)
