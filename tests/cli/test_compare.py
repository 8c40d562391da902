"""`compare` as a user types it."""

from __future__ import annotations

from fixtures.command import refused
from helpers import tree


def test_bad_command_lines(tmp_path):
    out = ("-o", tmp_path / "new")
    said = refused(4, "compare", "--targets", "cortex_m44", *out)
    assert "did you mean 'cortex_m4'" in said
    said = refused(2, "compare", "-t", "x86_64", "--max-flash", "10k", *out)
    assert "targets that can" in said
    assert "not a size" in refused(2, "compare", "--max-ram", "lots", *out)
    assert tree(tmp_path) == {}
