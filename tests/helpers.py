"""What several tests of refusals share."""

from __future__ import annotations

import importlib
import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from delrec_compile.errors import DelrecError


@contextmanager
def refusal(
    kind: type[DelrecError], message: str, code: int, clean: Path | None = None
) -> Iterator[None]:
    """The block raises one line that matches, with its exit code, and adds nothing to `clean`."""
    before = tree(clean)
    with pytest.raises(kind) as caught:
        yield
    text = str(caught.value)
    assert re.search(message, text), text
    assert "\n" not in text
    assert caught.value.exit_code == code
    assert tree(clean) == before


def called_here(function: str, **arguments: Any) -> Any:
    """`child.call` in this process, which has TVM loaded: answers go through JSON as from a child."""
    module, name = function.split(":")
    call = getattr(importlib.import_module(module), name)
    with warnings.catch_warnings(action="ignore"):  # a child's stay in its log
        return json.loads(json.dumps(call(**json.loads(json.dumps(arguments)))))


def tree(folder: Path | None) -> dict[str, bytes]:
    """Every file below a folder with its content, and every folder."""
    if folder is None:
        return {}
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}
