"""Documents cannot rot: links, names of code, commands and tables are compared with what exists."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import onnx
import pytest
import typer
from fixtures.tree import PACKAGE, ROOT, SOURCES, defined, dotted, name, parsed, resolves

from delrec_compile import targets
from delrec_compile.cli import app
from delrec_compile.evaluation import report
from delrec_compile.evaluation.baselines.registry import ENGINES
from delrec_compile.evaluation.latency.bench import NAMES
from delrec_compile.ops.registry import FUNCTIONS, READOUTS, SYNAPSES
from delrec_compile.system import plugins
from delrec_compile.targets import schedule
from delrec_compile.targets.profile import Flashing, Memory
from delrec_compile.training.config import TrainConfig

DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        *(ROOT / room / "README.md" for room in ("ops", "targets")),
        PACKAGE / "bundled" / "README.md",
    ]
)
LIVING = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]  # that one tells of the past
FOLDERS = "delrec_compile|ops|targets|tests|docs|benchmarks|examples"
FENCE = re.compile(r"^```(\w*)[^`\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(path: Path) -> str:
    return path.read_text()


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return FENCE.sub("", text_of(path))


def blocks(path: Path, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text_of(path)) if kind == language]


def table(path: str, head: str) -> list[list[str]]:
    """Rows of the table of a document whose first line starts with `| head |`."""
    lines = (ROOT / path).read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def code(cell: str) -> list[str]:
    """What a cell holds in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def column(path: str, head: str, index: int = 0) -> list[str]:
    return [item for row in table(path, head) for item in code(row[index])]


# -- links, files, names -------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", re.sub(r"`[^`]*`", "", prose(path))):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", LIVING, ids=name)
def test_files_in_backticks_exist(path: Path) -> None:
    """`ops/lif.py`, `tests/training/`; with a `*` or `<name>`, some file like it."""
    for item in code(prose(path)):
        if re.fullmatch(rf"({FOLDERS})/[\w./*<>-]+", item) and item != "targets/tuned/":
            pattern = re.sub(r"<\w+>", "*", item)
            assert list(ROOT.glob(pattern)), item


@pytest.mark.parametrize("path", LIVING, ids=name)
def test_names_of_the_package_exist(path: Path) -> None:
    """`delrec_compile.a.b.name` in a document, code blocks too, or a group of entry points."""
    groups = (plugins.TARGETS, plugins.OPS, plugins.IMPORTERS)
    for reference in re.findall(r"\bdelrec_compile(?:\.[A-Za-z_]\w*)+", text_of(path)):
        assert reference in groups or resolves(reference), reference
    for module, names in re.findall(r"from (delrec_compile[\w.]*) import ([\w, ]+)", text_of(path)):
        for attribute in names.split(", "):
            assert resolves(f"{module}.{attribute.strip()}"), f"{module}: {attribute}"


@pytest.mark.parametrize("path", LIVING, ids=name)
def test_python_in_documents_compiles(path: Path) -> None:
    for block in blocks(path, "python"):
        ast.parse(block)


@functools.cache
def members() -> dict[str, set[str]]:
    """What follows a dot: by module, its path's end, or class."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        module = dotted(path).split(".")
        for i in range(len(module)):
            found.setdefault(".".join(module[i:]), set()).update(defined(path))
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                names = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
                names |= {n.target.id for n in node.body if _declares(n)}  # type: ignore[attr-defined]
                found.setdefault(node.name, set()).update(names)
    return found


def _declares(node: ast.stmt) -> bool:
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)


@pytest.mark.parametrize("document", ["docs/op.md", "docs/pipeline.md", "CONTRIBUTING.md"])
def test_names_of_modules_and_classes_have_what_they_say(document: str) -> None:
    """`module.function` and `Class.field` in backticks, in the documents of those who change code."""
    known = members()
    for item in code(prose(ROOT / document)):
        if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", item) and item != "ai.delrec":
            if item.rpartition(".")[2] in {
                "py",
                "md",
                "toml",
                "yaml",
                "yml",
                "json",
                "onnx",
                "safetensors",
            }:
                assert list(ROOT.rglob(item)) or item in DATA, item
            else:
                owner, _, attribute = item.rpartition(".")
                assert attribute in known.get(owner, set()) or item in known, item


DATA = {"manifest.json", "measured.json", "report.md", "model.onnx", "network.safetensors"}


# -- commands ------------------------------------------------------------------------------------


def commands(path: Path) -> list[list[str]]:
    """Command lines in the sh blocks of a document."""
    lines = [
        line for block in blocks(path, "sh") for line in block.replace("\\\n", " ").splitlines()
    ]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@functools.cache
def interface() -> Any:
    return typer.main.get_command(app.app)


@pytest.mark.parametrize("path", LIVING, ids=name)
def test_commands_in_documents_exist_with_their_options(path: Path) -> None:
    for first, *rest in commands(path):
        if first == "delrec-compile":
            _check_options(rest)


def _check_options(words: list[str]) -> None:
    line = " ".join(words)
    command: Any = interface()
    while words and words[0] in getattr(command, "commands", ()):
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert command.invoke_without_command, f"no such command: {line}"
    options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-\d+", word):
            assert word.split("=")[0] in options, f"{word} in: {line}"


@pytest.mark.parametrize("path", LIVING, ids=name)
def test_programs_in_documents_exist(path: Path) -> None:
    """`python -m benchmarks.x`, and targets of make."""
    rules = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for module in re.findall(r"python -m ((?:benchmarks|delrec_compile)[\w.]*\w)", text_of(path)):
        parts = module.split(".")
        base = ROOT.joinpath(*parts)
        assert base.with_suffix(".py").exists() or (base / "__main__.py").exists(), module
    for words in commands(path):
        if words[0] == "make":
            assert all(w in rules for w in words[1:] if "=" not in w), words


@pytest.mark.parametrize("file", [".pre-commit-config.yaml", "MANIFEST.in", ".ci/run"])
def test_files_in_configuration_exist(file: str) -> None:
    text = (ROOT / file).read_text()
    for item in re.findall(r"(?<![\w./-])(?:tests|docs|ops|targets|benchmarks)/[\w./]+", text):
        assert (ROOT / item).exists(), item
    for item in re.findall(r"^include (.*)$", text, re.MULTILINE):
        assert all((ROOT / part).exists() for part in item.split()), item


def test_the_changelog_names_the_new_homes_of_modules() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip() == "| before | now |")
    rows = [line for line in lines[start + 2 :] if line.startswith("  |")]
    homes = [home for row in rows for home in code(row.split("|")[2])]
    assert len(homes) > 10
    for home in homes:
        assert resolves(f"delrec_compile.{home}"), home


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    hidden = {name for name, c in interface().commands.items() if c.hidden}
    missing = [c for c in interface().commands if f"delrec-compile {c}" not in readme]
    assert set(missing) <= hidden


# -- the pipeline --------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table("docs/pipeline.md", "stage"), ids=lambda row: row[0])
def test_the_pipeline_table_is_true(row: list[str]) -> None:
    """Each call of the table is defined in the files beside it."""
    _, calls, places, _ = row
    files: list[Path] = []
    for place in code(places):
        found = [*PACKAGE.glob(place), *ROOT.glob(place)]
        assert found, place
        files += [f for p in found for f in (sorted(p.rglob("*.py")) if p.is_dir() else [p])]
    text = "".join(f.read_text() for f in files)
    for call in re.findall(r"(\w+)\(", calls.replace("network.step", "step")):
        assert re.search(rf"(def|class) {call}\b", text), call


def test_the_pipeline_passes_every_room() -> None:
    places = {place.split("/")[0] for place in column("docs/pipeline.md", "stage", 2)}
    rooms = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()}
    assert rooms - places == {"bundled", "cli"}


# -- tables of what exists -----------------------------------------------------------------------


def test_the_ops_are_listed() -> None:
    files = [p.name for p in (ROOT / "ops").glob("*.py") if p.name != "__init__.py"]
    assert sorted(column("ops/README.md", "file")) == sorted(files)


def test_the_templates_are_listed() -> None:
    folder = ROOT / "targets"
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    files = {f for f in files if Path(f).suffix not in {".py", ".pyc", ".md"}}
    profiles = {f"{t}.toml" for t in targets.names()}
    profiles |= {f"board/{t}.toml" for t in targets.board_names()}
    profiles |= {f"platform/{t}.toml" for t in targets.platform_names()}
    listed = {f for p in column("targets/README.md", "template") for f in folder.glob(p)}
    assert {f.relative_to(folder).as_posix() for f in listed} == files - profiles


def test_the_keys_of_a_profile_are_listed() -> None:
    fields = {f.name for f in dataclasses.fields(targets.Target)} - {"name", "schedules"}
    listed = [re.sub(r"[\[\]]", "", key) for key in column("targets/README.md", "key")]
    assert sorted(listed) == sorted(fields | {"schedule"})


@pytest.mark.parametrize(("key", "kind"), [("[memory]", Memory), ("[flash]", Flashing)])
def test_the_keys_of_a_table_of_a_profile_are_listed(key: str, kind: type) -> None:
    (row,) = [row for row in table("targets/README.md", "key") if code(row[0]) == [key]]
    listed = {item.split(" ")[0] for item in code(row[1])}
    assert {f.name for f in dataclasses.fields(kind)} <= listed  # type: ignore[arg-type]


def test_the_profiles_are_listed() -> None:
    listed: list[str] = []
    for item in column("docs/targets.md", "profile"):
        stem = listed[-1].rpartition("_")[0] if item.startswith("_") else ""
        listed.append(stem + item)
    assert sorted(listed) == sorted(targets.names())


def test_the_boards_are_listed_with_their_memory_and_clock() -> None:
    expected = []
    for each in targets.board_names():
        board = targets.load(each)
        core = tomllib.loads((ROOT / "targets" / "board" / f"{each}.toml").read_text())["over"]
        memory = board.memory
        flash = f"{memory.flash[1]} KB at {memory.flash[0]:#010x}" if memory else "Linux"
        ram = f"{memory.ram[1]} KB at {memory.ram[0]:#010x}" if memory else "Linux"
        expected.append([f"`{each}`", f"`{core}`", flash, ram, f"{board.clock_mhz:g} MHz"])
    assert table("docs/targets.md", "board") == expected


def test_the_platforms_are_listed() -> None:
    assert column("docs/targets.md", "platform") == list(targets.platform_names())


def test_the_fields_of_a_schedule_are_listed() -> None:
    fields = [f.name for f in dataclasses.fields(schedule.Schedule)]
    assert sorted(column("docs/targets.md", "field")) == sorted(
        [*fields, "features", "mattr", "tuning"]
    )


def test_the_values_of_a_schedule_are_listed() -> None:
    text = {row[0]: row[1] for row in table("docs/targets.md", "field")}
    for field, values in schedule_values().items():
        cell = next(cell for key, cell in text.items() if f"`{field}`" in key)
        assert {v for v in code(cell) if v in values} == set(values), field


def schedule_values() -> dict[str, tuple[str, ...]]:
    names = {
        "events": "LISTS",
        "rows": "ROWS",
        "bytes": "BYTES",
        "leak": "LEAKS",
        "line": "LINES",
        "silent": "SILENT",
        "taps": "TAPS",
    }
    return {field: getattr(schedule, constant) for field, constant in names.items()}


def functions() -> list[onnx.FunctionProto]:
    return [onnx.parser.parse_function(text) for text in FUNCTIONS]


@pytest.mark.parametrize("function", functions(), ids=lambda f: f.name)
def test_the_onnx_functions_are_listed(function: onnx.FunctionProto) -> None:
    rows = {code(row[0])[0]: row for row in table("docs/onnx.md", "function")}
    assert set(rows) == {f.name for f in functions()}
    _, inputs, outputs, attributes = rows[function.name]
    assert inputs.split(", ") == list(function.input)
    assert outputs.split(", ") == list(function.output)
    names = [*function.attribute, *(a.name for a in function.attribute_proto)]
    assert [a for a in attributes.split(", ") if a] == names


def test_the_recurrences_are_listed() -> None:
    assert set(column("docs/networks.md", "name")) - {"conv", "dense"} == set(SYNAPSES)


def test_the_readouts_are_listed() -> None:
    assert column("docs/networks.md", "kind") == list(READOUTS)


def test_the_engines_are_listed() -> None:
    assert set(column("docs/benchmarks.md", "row")) == set(NAMES)


def test_results_have_the_titles_of_engines() -> None:
    titles = {engine.title for engine in ENGINES.values()}
    for head in ("engine", "layer size", "longest delay", "kernel", "activity", "batch"):
        assert {row[0] for row in table("docs/benchmarks.md", head)} <= titles, head


def test_the_demo_of_the_readme_prints_the_tables_of_today() -> None:
    (demo,) = [block for block in blocks(ROOT / "README.md", "") if "parity with" in block]
    for column in (*report.PARITY_COLUMNS, *report.BENCH_COLUMNS):
        assert column in demo
    for engine in ("ours", "ours_python", "torch_eager", "onnxruntime"):
        assert ENGINES[engine].title in demo


def test_the_options_of_train_are_listed() -> None:
    text = "".join(
        (ROOT / "docs" / f).read_text() for f in ("training.md", "networks.md", "guide.md")
    )
    for field in dataclasses.fields(TrainConfig):
        option = field.name.replace("_", "-")
        assert re.search(rf"`{field.name}\b|--set {field.name}=|--{option}\b", text), field.name


def test_the_guides_are_listed() -> None:
    readme = (ROOT / "README.md").read_text()
    for path in [*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"]:
        assert f"({name(path)})" in readme, name(path)
