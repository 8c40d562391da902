"""The programs of docs/import.md run as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
PROGRAMS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
FRAMEWORKS = ("snntorch", "spikingjelly", "norse", "nir")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: text.split()[1])
def test_programs(program: str, tmp_path: Path) -> None:
    for name in FRAMEWORKS:
        if re.search(rf"(import|from) {name}\b", program):
            pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_there_are_programs() -> None:
    assert len(PROGRAMS) == 6
