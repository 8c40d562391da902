"""Hooks of MkDocs: pages from files outside `docs/`, pages from the code, and links between them.

A link to a file that is no page of the site becomes its text: the site has no copy of the sources.
"""

from __future__ import annotations

import importlib.util
import os
import posixpath
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]

# page of the site -> its source, which lies elsewhere in the repository
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "reference/ops.md": "ops/README.md",
    "reference/targets.md": "targets/README.md",
    "reference/bundled.md": "delrec_compile/bundled/README.md",
    "picture.svg": "benchmarks/results/picture.svg",
}
FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def on_files(files: Files, config: Any) -> Files:
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    made = {**_module("generated").pages(), "reference/formats.md": _module("formats").page()}
    for page, content in made.items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    here = page.file.src_uri
    source = ELSEWHERE.get(here, f"docs/{here}")
    parts = FENCE.split(_module("pictures").tabled(markdown))
    return "".join(
        part if part.startswith("```") else relink(part, source, here, files) for part in parts
    )


def relink(text: str, source: str, here: str, files: Files) -> str:
    """The text of `source`, a path in the repository, with the links of page `here` of the site."""

    def replaced(match: re.Match[str]) -> str:
        image, label, target, anchor = match.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        page = place(path, files)
        if page is None:
            return (
                label if (ROOT / path).exists() else match[0]
            )  # the strict build names the latter
        start = posixpath.dirname(here) or "."
        return f"{image}[{label}]({os.path.relpath(page, start)}{anchor or ''})"

    return LINK.sub(replaced, text)


def place(path: str, files: Files) -> str | None:
    """Where the site has a path of the repository."""
    for page, source in ELSEWHERE.items():
        if path == source:
            return page
    inside = path.removeprefix("docs/")
    return inside if inside != path and files.get_file_from_path(inside) else None


def on_post_build(config: Any) -> None:
    """The index of the search as a script too: pages that are opened from a folder read no JSON."""
    folder = Path(config.site_dir, "search")
    text = (folder / "search_index.json").read_text()
    (folder / "search_index.js").write_text(f"var __index = {text}")
