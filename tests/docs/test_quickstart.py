"""docs/quickstart.md: its lines are run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fixtures.tree import ROOT

PAGE = (ROOT / "docs" / "quickstart.md").read_text()
BLOCKS = re.findall(r"^## (\w+)\n\n```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
INSTALL = re.compile(r"pip install -e '\.\[(\w+)\]'")


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which delrec-compile is this tree's."""
    script = tmp_path / "bin" / "delrec-compile"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m delrec_compile "$@"\n')
    script.chmod(0o755)
    path = f"{script.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


def test_each_framework_takes_five_lines() -> None:
    assert [name for name, _ in BLOCKS] == ["snnTorch", "SpikingJelly"]
    assert [len(block.splitlines()) for _, block in BLOCKS] == [5, 5]


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_the_lines_end_in_a_checked_build(
    name: str, block: str, tmp_path: Path, shell: dict[str, str]
) -> None:
    install, *lines = block.splitlines()
    extra = INSTALL.fullmatch(install)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extra
    assert any(name.lower() in line for line in project["optional-dependencies"][extra[1]])
    printed = ""
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=shell,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (line, done.stderr)
        printed = done.stdout
        if line.startswith("delrec-compile import"):
            assert re.search(r"^[\d,]+ of [\d,]+ spikes differ from", printed, re.MULTILINE)
        if line.startswith("delrec-compile build"):
            assert "inputs: 8 random samples" in done.stderr
    (row,) = [line for line in printed.splitlines() if "x86_64" in line]
    compared, differing = (int(c.replace(",", "")) for c in row.split("│")[2:4])
    assert compared > 0
    assert differing == 0
