"""A framework that is not installed is named with the command that installs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import ToolchainError
from delrec_compile.interop import packages


@pytest.mark.parametrize("name", packages.INSTALL_HINT)
def test_a_missing_framework_names_its_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with refusal(ToolchainError, f"{name} is not installed; pip install ", 5):
        packages.package(name)


def test_a_package_that_a_framework_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "norse.py").write_text("import no_such_package_of_norse\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "norse", raising=False)
    with refusal(ToolchainError, "norse needs 'no_such_package_of_norse'; pip install no_such", 5):
        packages.package("norse")
    monkeypatch.delitem(sys.modules, "norse", raising=False)
