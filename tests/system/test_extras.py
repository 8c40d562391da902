"""How an extra is installed, from a checkout and from a wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from delrec_compile.system import extras
from delrec_compile.system.extras import install


def test_a_checkout_is_installed_from_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "ROOT", tmp_path)
    assert install("emu") == "pip install 'delrec-compile[emu]'"
    (tmp_path / "pyproject.toml").touch()
    assert install("emu") == f"pip install -e '{tmp_path}[emu]'"
    monkeypatch.chdir(tmp_path)
    assert install("emu") == "pip install -e '.[emu]'"
