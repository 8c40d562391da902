"""A page as one HTML file that needs no other: style, script and drawings are inside."""

from __future__ import annotations

from importlib import resources
from typing import Any

import jinja2

from delrec_compile.evaluation.page.figures import Page

FOLDER = "delrec_compile.evaluation.page"
TEMPLATE = "page.html.j2"


def render(page: Page) -> str:
    """The text of the file. Every name, label and message is escaped."""
    loader = jinja2.FunctionLoader(_read)
    options: dict[str, Any] = {"undefined": jinja2.StrictUndefined, "autoescape": True}
    environment = jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, **options)
    return environment.get_template(TEMPLATE).render(page=page) + "\n"


def _read(name: str) -> str:
    return (resources.files(FOLDER) / name).read_text(encoding="utf-8")
