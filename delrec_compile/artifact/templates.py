"""The templates of `targets`, filled in."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from importlib import resources
from typing import Any

import jinja2
from packaging.version import Version


def render_files(templates: Mapping[str, str], variables: Mapping[str, Any]) -> dict[str, str]:
    """Text of each file, by its path, from the templates of `targets`. variables: `name` among them."""
    folder = resources.files("delrec_compile.targets")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        loader=jinja2.FunctionLoader(lambda file: (folder / file).read_text(encoding="utf-8")),
    )
    version = importlib.metadata.version("delrec-compile")
    variables = {"version": version, "number": Version(version).base_version, **variables}
    return {
        file.format(name=variables["name"]): environment.get_template(source).render(variables)
        for file, source in templates.items()
    }
