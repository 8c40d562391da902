"""The shape of the project: layers, links, docstrings, sizes, what an install holds."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import delrec_compile
from delrec_compile import ops, targets
from delrec_compile.network import checkpoint

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "delrec_compile"
CONTRACT = ROOT / ".importlinter"
SOURCES = sorted(
    p
    for folder in (PACKAGE, ROOT / "ops", ROOT / "targets")
    for p in folder.rglob("*.py")
    if not p.is_relative_to(PACKAGE / "ops") and not p.is_relative_to(PACKAGE / "targets")
)
TESTS = sorted((ROOT / "tests").glob("*.py"))
LIMIT = 300


def settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_tests_run_on_this_tree() -> None:
    """A stale editable install makes one working tree silently import another."""
    assert Path(delrec_compile.__file__).parent == PACKAGE
    assert Path(ops.__file__).resolve().parent == ROOT / "ops"
    assert Path(targets.__file__).resolve().parent == ROOT / "targets"


@pytest.mark.parametrize("folder", ["ops", "targets"])
def test_the_links_point_to_the_real_folders(folder: str) -> None:
    link = PACKAGE / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..", folder)
    assert settings()["tool"]["setuptools"]["package-dir"][f"delrec_compile.{folder}"] == folder


def contracts(text: str, folder: Path) -> bool:
    config = folder / "contract"
    config.write_text(text)
    with contextlib.redirect_stdout(io.StringIO()):
        return lint_imports(str(config), cache_dir=str(folder)) == EXIT_STATUS_SUCCESS


def test_imports_run_one_way(tmp_path: Path) -> None:
    assert contracts(CONTRACT.read_text(), tmp_path)


def test_the_contract_can_fail(tmp_path: Path) -> None:
    text = CONTRACT.read_text()
    swapped = text.replace("    compose\n    export\n", "    export\n    compose\n")
    upside_down = swapped.replace("codegen | glue | lower\n", "").replace(
        "    build\n", "    codegen | glue | lower\n    build\n"
    )
    for changed in (upside_down, text.replace("    session\n", ""), text + "    onnx\n"):
        assert changed != text
        assert not contracts(changed, tmp_path)


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert len(ast.get_docstring(tree) or "") > 10 or not tree.body


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_stay_small(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LIMIT, f"{name(path)} has {lines} lines: split it"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_public_names_are_documented(path: Path) -> None:
    """Classes always; functions unless their name and types say it all, in a few lines."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            plain = any(isinstance(b, ast.Name) and b.id.endswith("Error") for b in node.bases)
            assert plain or ast.get_docstring(node), f"class {node.name}"
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            length = (node.end_lineno or 0) - node.lineno
            assert length < 20 or ast.get_docstring(node), f"function {node.name}"


def test_no_install_path_is_forgotten() -> None:
    """Each folder with Python in it is a package of the wheel."""
    tool = settings()["tool"]["setuptools"]
    found = {p.parent for p in SOURCES}
    mapped = {tool["package-dir"].get(p, p.replace(".", "/")) for p in tool["packages"]}
    assert {name(p) for p in found} == mapped


@pytest.mark.parametrize(
    ("package", "pattern"),
    [
        ("delrec_compile", "py.typed"),
        ("delrec_compile.targets", "glue.c.in"),
        ("delrec_compile.targets", "glue.h.in"),
        ("delrec_compile.targets", "README.md"),
        ("delrec_compile.ops", "README.md"),
        *((("delrec_compile.targets"), f"{t}.toml") for t in targets.names()),
        *((("delrec_compile.bundled"), f"{n}.safetensors") for n in checkpoint.BUNDLED),
        ("delrec_compile.bundled", "words.npz"),
    ],
)
def test_data_ships_with_its_package(package: str, pattern: str) -> None:
    assert (resources.files(package) / pattern).is_file()
    globs = settings()["tool"]["setuptools"]["package-data"][package]
    assert any(Path(pattern).match(g) for g in globs), f"{pattern} is in no package-data glob"


def test_data_of_no_use_does_not_ship() -> None:
    kinds = {p.suffix for p in (ROOT / "targets").iterdir() if p.is_file()}
    assert kinds <= {".py", ".toml", ".in", ".md"}


def test_the_numpy_part_imports_neither_torch_nor_tvm() -> None:
    code = (
        "import sys; from delrec_compile import network, freeze, checkpoint, targets, child; "
        "sys.exit(', '.join({'torch', 'tvm', 'onnx', 'onnxruntime'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_op_modules_import_without_tvm() -> None:
    code = (
        "import sys, pkgutil, importlib; from delrec_compile import ops\n"
        "for m in pkgutil.iter_modules(ops.__path__):\n"
        "    if m.name[:4] != 'emit': importlib.import_module(f'delrec_compile.ops.{m.name}')\n"
        "sys.exit(', '.join({'torch', 'tvm'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=name)
def test_documents_name_files_and_functions_that_exist(path: Path) -> None:
    """Links to files, and `module.function` of this package in backticks."""
    text = path.read_text()
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", re.sub(r"`[^`]*`", "", text)):
        assert (path.parent / target).exists(), target
    for module, attribute in re.findall(r"`delrec_compile\.(\w+)\.(\w+)[`(]", text):
        assert hasattr(importlib.import_module(f"delrec_compile.{module}"), attribute), attribute


def pipeline() -> list[list[str]]:
    lines = (ROOT / "docs" / "pipeline.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    return rows[2:]


@pytest.mark.parametrize("row", pipeline(), ids=lambda row: row[0])
def test_the_pipeline_table_is_true(row: list[str]) -> None:
    """Each call of the table is defined in the files beside it."""
    _, calls, places, _ = row
    text = ""
    for place in re.findall(r"`([^`]+)`", places):
        found = [*PACKAGE.glob(place), *ROOT.glob(place)]
        found = [f for p in found for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p])]
        assert found, place
        text += "".join(f.read_text() for f in found)
    for call in re.findall(r"(\w+)\(", calls.replace("network.step", "step")):
        assert re.search(rf"(def|class) {call}\b", text), call


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert settings()["project"]["license"] == "Apache-2.0"
