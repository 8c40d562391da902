"""The shape of the project: rooms, layers, links, sizes, what an install holds."""

from __future__ import annotations

import ast
import contextlib
import io
import tomllib
from importlib import resources
from pathlib import Path

import pytest
from fixtures.tree import (
    CONTRACT,
    MAP,
    PACKAGE,
    ROOT,
    SOURCES,
    Room,
    api_names,
    functions,
    layers,
    length,
    may_import,
    name,
    parsed,
    resolves,
    rooms,
    settings,
    with_table,
)
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import delrec_compile
from delrec_compile import ops, targets
from delrec_compile.network import checkpoint

TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_LINES = 300
MAX_FUNCTION = 40
MAX_ENTRIES = 20
MAX_LAYERS = 12
KNOWN = tomllib.loads((Path(__file__).parent / "known.toml").read_text())


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


# -- the import contract -------------------------------------------------------------------------


def contracts(text: str, folder: Path) -> bool:
    config = folder / "contract"
    config.write_text(text)
    with contextlib.redirect_stdout(io.StringIO()):
        return lint_imports(str(config), cache_dir=str(folder)) == EXIT_STATUS_SUCCESS


def test_imports_run_one_way(tmp_path: Path) -> None:
    assert contracts(CONTRACT.read_text(), tmp_path)


@pytest.mark.parametrize(
    ("present", "changed"),
    [
        ("    artifact\n    network\n", "    network\n    artifact\n"),
        ("    data\n", ""),
        ("interop | plain_onnx | tuning", "interop | plain_onnx | tuning | runners"),
        ("forbidden_modules = typer", "forbidden_modules = onnx"),
        ("allowed_importers = delrec_compile.compiler", "allowed_importers = delrec_compile.cli"),
    ],
    ids=["swapped", "room_missing", "room_moved_up", "onnx", "tir"],
)
def test_the_contract_can_fail(present: str, changed: str, tmp_path: Path) -> None:
    text = CONTRACT.read_text()
    assert present in text
    assert not contracts(text.replace(present, changed), tmp_path)


def test_the_contract_is_of_rooms() -> None:
    assert len(layers()) <= MAX_LAYERS
    listed = [room for layer in layers() for room in layer]
    entries = {
        p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert sorted(listed) == sorted(entries - {"__init__", "__main__"})


def test_the_package_has_few_entries() -> None:
    entries = [p.name for p in PACKAGE.iterdir() if p.name != "__pycache__"]
    assert len(entries) <= MAX_ENTRIES, sorted(entries)


# -- rooms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.name)
def test_a_room_says_what_it_is(room: Room) -> None:
    assert room.may_import == may_import(room.name)
    assert (room.folder / room.start).is_file()
    assert room.public or room.name == "bundled"
    for public in room.public:
        assert resolves(f"delrec_compile.{room.name}.{public}"), public


def test_the_map_is_made_of_the_rooms() -> None:
    text = MAP.read_text()
    assert text == with_table(text), "run `make rooms`"


def test_the_api_is_what_type_checkers_see() -> None:
    (block,) = [node for node in parsed(PACKAGE / "__init__.py").body if isinstance(node, ast.If)]
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module is not None
        for alias in node.names:
            assert alias.asname == alias.name, "import X as X, which makes it public"
            seen[alias.name] = node.module.removeprefix("delrec_compile.")
    assert seen == api_names()
    assert delrec_compile.__all__ == sorted(api_names())


@pytest.mark.parametrize("public", sorted(api_names()))
def test_a_public_name_exists(public: str) -> None:
    assert getattr(delrec_compile, public) is not None
    assert public in dir(delrec_compile)


# -- modules and functions -----------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = parsed(path)
    assert len(ast.get_docstring(tree) or "") > 10 or not tree.body


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_stay_small(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_LINES, f"{name(path)} has {lines} lines: split it"


def test_functions_stay_short() -> None:
    """Longer ones are known by their length, which may only shrink."""
    lengths = {f"{name(p)}:{f}": length(node) for p in SOURCES for f, node in functions(p)}
    long = {key: lines for key, lines in lengths.items() if lines > MAX_FUNCTION}
    known = KNOWN["long_functions"]
    grown = {key: lines for key, lines in long.items() if lines > known.get(key, MAX_FUNCTION)}
    assert not grown, f"longer than {MAX_FUNCTION} lines: split them"
    assert set(known) <= set(long), "short by now: delete them from known.toml"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_public_names_are_documented(path: Path) -> None:
    """Classes always; functions unless their name and types say it all, in a few lines."""
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            plain = any(isinstance(b, ast.Name) and b.id.endswith("Error") for b in node.bases)
            assert plain or ast.get_docstring(node), f"class {node.name}"
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            short = (node.end_lineno or 0) - node.lineno < 20
            assert short or ast.get_docstring(node), f"function {node.name}"


# -- what an install holds -----------------------------------------------------------------------


def test_no_install_path_is_forgotten() -> None:
    """Each folder with Python in it is a package of the wheel."""
    tool = settings()["tool"]["setuptools"]
    found = {p.parent for p in SOURCES}
    mapped = {tool["package-dir"].get(p, p.replace(".", "/")) for p in tool["packages"]}
    assert {name(p) for p in found} == mapped


def data_files() -> list[Path]:
    """Files of the package that are not Python."""
    found = []
    for folder in {p.parent for p in SOURCES}:
        found += [p for p in folder.iterdir() if p.is_file() and p.suffix not in {".py", ".pyc"}]
    for folder in (ROOT / "targets" / "cortex_m", ROOT / "targets" / "device"):
        found += list(folder.iterdir())
    return sorted(found)


@pytest.mark.parametrize("path", data_files(), ids=name)
def test_data_ships_with_its_package(path: Path) -> None:
    tool = settings()["tool"]["setuptools"]
    folders = {tool["package-dir"].get(p, p.replace(".", "/")): p for p in tool["packages"]}
    folder = next(f for f in path.parents if name(f) in folders)
    package = folders[name(folder)]
    inside = path.relative_to(folder)
    globs = tool["package-data"].get(package, [])
    assert any(
        inside.full_match(g) if hasattr(inside, "full_match") else inside.match(g) for g in globs
    )
    assert resources.files(package).joinpath(*inside.parts).is_file()


def test_the_data_that_code_reads_is_there() -> None:
    files = {p.name for p in data_files()}
    assert {"py.typed", "glue.c.in", "glue.h.in"} <= files
    assert {f"{t}.toml" for t in targets.names()} <= files
    networks = {"conv_delay_256", "conv_delay_320_2_heads", "dense_delay_256"}
    networks |= {"conv_delay_128_listening", "channel_conv_delay_320"}
    assert set(checkpoint.BUNDLED) == networks
    assert {f"{n}.safetensors" for n in networks} <= files


def test_data_of_no_use_does_not_ship() -> None:
    kinds = {p.suffix for p in (ROOT / "targets").iterdir() if p.is_file()}
    assert kinds <= {".py", ".toml", ".in", ".md"}


def test_the_licence_is_complete() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert settings()["project"]["license"] == "Apache-2.0"
