"""tests/ mirrors the rooms: a module with logic has a test of its name, and a test has its module."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from fixtures.tree import ROOT, SOURCES, dotted, functions, inner, name, parsed, statements

TESTS = ROOT / "tests"
FREE = ("project", "matrix", "docs", "examples", "fixtures")  # what crosses rooms
MIN_STATEMENTS = 4  # a function of so many is logic; fewer are accessors
KNOWN = tomllib.loads((Path(__file__).parent / "known.toml").read_text())


def test_of(path: Path) -> Path:
    """Where the tests of a module lie; those of a package's `__init__` are named like its folder."""
    module = inner(path)
    stem = module.stem if module.stem != "__init__" else (module.parent.name or "package")
    return TESTS / module.parent / f"test_{stem}.py"


test_of.__test__ = False  # type: ignore[attr-defined]


def protocols(path: Path) -> set[str]:
    """Classes that only declare."""
    return {
        node.name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
    }


def has_logic(path: Path) -> bool:
    """Whether a function of the module does more than hand something over."""
    declared = protocols(path)
    return any(
        statements(node) >= MIN_STATEMENTS and qualified.split(".")[0] not in declared
        for qualified, node in functions(path)
    )


LOGIC = [path for path in SOURCES if has_logic(path)]
MIRRORS = sorted(
    p
    for p in TESTS.rglob("test_*.py")
    if p.relative_to(TESTS).parts[0] not in FREE and p.parent != TESTS
)


@pytest.mark.parametrize("path", LOGIC, ids=name)
def test_a_module_with_logic_has_a_test_of_its_name(path: Path) -> None:
    if name(path) in KNOWN["untested"]:
        pytest.skip(KNOWN["untested"][name(path)])
    test = test_of(path)
    assert test.is_file(), f"write {name(test)}, which tests {dotted(path)}"
    assert any(f.startswith("test_") for f, _ in functions(test)), f"{name(test)} has no test"


@pytest.mark.parametrize("path", MIRRORS, ids=name)
def test_a_test_has_its_module(path: Path) -> None:
    assert path in {test_of(source) for source in SOURCES}, "name it like the module that it tests"


def test_exemptions_are_needed() -> None:
    """An entry without a reason, or of a module that has its test by now, is deleted."""
    missing = {name(path) for path in LOGIC if not test_of(path).is_file()}
    for module, reason in KNOWN["untested"].items():
        assert module in missing, f"{module}: delete it from known.toml"
        assert len(reason.split()) > 3, module


def test_what_counts_as_logic() -> None:
    logic = {name(path) for path in LOGIC}
    assert {"delrec_compile/evaluation/parity.py", "ops/lif.py", "targets/__init__.py"} <= logic
    assert not {"delrec_compile/aliases.py", "delrec_compile/runners/__init__.py"} & logic
