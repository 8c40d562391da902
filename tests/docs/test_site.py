"""The guide as a site: built strictly, whole, searched in a browser, with nothing from another host."""

from __future__ import annotations

import dataclasses
import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
from fixtures.tree import ROOT

import delrec_compile
from delrec_compile import errors
from delrec_compile.artifact.manifest import Manifest
from delrec_compile.cli import app
from delrec_compile.evaluation.compare.result import TargetRow
from delrec_compile.training.config import TrainConfig

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)
# what a page loads by itself; a link that a reader follows may lead anywhere
LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//[^\"]*"
    r"|<link\b[^>]*\brel=\"?(?:stylesheet|preconnect|preload|prefetch|icon)\b[^>]*\bhref=\"(?:https?:)?//[^\"]*"
)
LOADED_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\"')]*")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def module(name: str) -> ModuleType:
    """A module of docs/site, as MkDocs loads it: by its path."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", ROOT / f"docs/site/{name}.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def generated() -> ModuleType:
    return module("generated")


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        assert not LOADED.search(page.read_text()), page
    for style in site.rglob("*.css"):
        assert not LOADED_STYLE.search(style.read_text()), style


def test_links_of_the_built_pages_lead_to_files(site: Path) -> None:
    """The files behind the links of the pages, also of those in HTML that the build does not read."""
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        for target in re.findall(r"(?:href|src)=\"(?!\w+:|//|#)([^\"#?]+)", page.read_text()):
            assert (page.parent / html.unescape(target)).exists(), f"{page.name}: {target}"


def test_the_search_index_knows_pages_of_each_part(site: Path) -> None:
    entries = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    for location, term in (
        ("index.html", "learned delays"),
        ("parity.html", "exact"),
        ("reference/cli.html", "--max-instructions"),
        ("reference/python.html", "load_artifact"),
        ("reference/header.html", "_step_events"),
        ("reference/errors.html", "BudgetError"),
    ):
        texts = [e["title"] + e["text"] for e in entries if e["location"].startswith(location)]
        assert any(term in html.unescape(text) for text in texts), (location, term)


@pytest.mark.parametrize("opened", ["from a server", "from a folder"])
def test_the_search_finds_without_another_host(site: Path, opened: str) -> None:
    if BROWSER is None:
        pytest.skip("no Chromium is installed")
    sync_api = pytest.importorskip("playwright.sync_api")
    asked: list[str] = []
    with served(site) as server, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        address = server if opened == "from a server" else site.as_uri()
        page.goto(f"{address}/reference/errors.html")
        page.keyboard.press("/")
        page.keyboard.type("MetaSchedule")
        found = page.wait_for_selector(".md-search-result__link", state="attached", timeout=60_000)
        assert "tune.html" in found.get_attribute("href")
        browser.close()
    assert asked
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]


class served:  # noqa: N801
    """A folder over HTTP on this machine, as long as the context lasts; its address."""

    def __init__(self, folder: Path) -> None:
        handler = partial(_Quiet, directory=str(folder))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


# -- pages that are made from the code -------------------------------------------------------------


def test_every_public_name_is_on_the_page_of_python(generated: ModuleType, site: Path) -> None:
    listed = [name for names in generated.PYTHON.values() for name in names.split()]
    assert sorted(listed) == sorted(delrec_compile.API)
    page = (site / "reference" / "python.html").read_text()
    for name, home in delrec_compile.API.items():
        assert f'id="delrec_compile.{home}.{name}"' in page, name


def leaves(command: Any, path: str = "delrec-compile") -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    for name, child in children.items():
        if not child.hidden:
            yield from leaves(child, f"{path} {name}")
    if not children:
        yield path, command


def test_every_command_and_option_is_on_the_page_of_commands(generated: ModuleType) -> None:
    page = generated.commands()
    for path, command in leaves(typer.main.get_command(app.app)):
        _, found, rest = page.partition(f" `{path}`\n")
        assert found, path
        section = re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert parameter.opts[0] in section, f"{path} {parameter.opts[0]}"


def test_every_error_is_on_the_page_of_exit_codes(generated: ModuleType) -> None:
    page = generated.exit_codes()
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.DelrecError)
    ]
    for kind in kinds:
        assert f"| {kind.exit_code} | `{kind.__name__}` |" in page, kind
    assert "| 130 | Ctrl-C |" in page
    assert "| 143 | SIGTERM |" in page


@pytest.mark.parametrize("template", ["glue.h.in", "c_source.h.in", "cuda_host.h.in"])
def test_every_entry_of_a_header_is_on_the_page_of_c(generated: ModuleType, template: str) -> None:
    text = (ROOT / "targets" / template).read_text()
    declared = set(
        re.findall(r"^(?:int|void|int32_t|\w+ \*?)[^\n(]*\{\{ name \}\}(_\w+)\(", text, re.M)
    )
    assert declared
    page = generated.header()
    for entry in declared:
        assert f"### `<name>{entry}`" in page, entry


def test_the_page_of_formats_has_what_the_files_have() -> None:
    page = module("formats").page()
    for kind in (Manifest, TargetRow, TrainConfig):
        for field in dataclasses.fields(kind):
            assert f"| `{field.name}` |" in page, f"{kind.__name__}.{field.name}"
    assert "| `layers.1.delay` | I16 | [256] |" in page
    assert "`delrec.network/2`" in page


def test_pictures_become_tables(site: Path) -> None:
    """Each operator with its constants, its inputs and the outputs of the step; no source is shown."""
    tabled = module("pictures").tabled
    chart = """```mermaid
flowchart LR
    x(["x 140"])
    past_v(["past_v 2x256"])
    n0["Linear<br>weight, bias"]
    x --> n0
    n1["Lif"]
    n0 --> n1
    past_v --> n1
    out_y(["y"])
    n1 --> out_y
```"""
    assert tabled(f"before\n{chart}\nafter").splitlines() == [
        "before",
        "| operator | constants | reads | gives |",
        "|---|---|---|---|",
        "| 1 Linear | `weight`, `bias` | `x` 140 |  |",
        "| 2 Lif |  | 1 Linear, `past_v` 2x256 | `y` |",
        "after",
    ]
    for wrong in ("graph TD", "n0 -.-> n1"):
        with pytest.raises(ValueError, match=re.escape(wrong)):
            tabled(chart.replace("flowchart LR" if "TD" in wrong else "n0 --> n1", wrong))
    assert not [page for page in site.rglob("*.html") if "flowchart LR" in page.read_text()]


def test_links_to_what_is_no_page_become_text() -> None:
    hooks = module("hooks")
    files = hooks.Files([])
    text = "see [the op](../ops/lif.py), [the readme](../README.md#targets) and [none](../gone.md)"
    made = hooks.relink(text, "docs/op.md", "op.md", files)
    assert made == "see the op, [the readme](index.md#targets) and [none](../gone.md)"
