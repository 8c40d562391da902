"""Programs that name the bundled words, in every language: each says what PyTorch says."""

from __future__ import annotations

import pytest
from fixtures.examples import Run, needs

TOOLS = {
    "onnxruntime_python": (),
    "onnxruntime_node": ("node", "npm"),
    "c_cmake": ("cc", "cmake"),
    "rust": ("cc", "cargo"),
    "go": ("cc", "make", "go"),
}


@pytest.mark.parametrize("example", TOOLS)
def test_a_host_names_the_words(example: str, follow: Run, classified: list[str]) -> None:
    needs(*TOOLS[example])
    printed = [line for line in follow(example).splitlines() if ".u8: " in line]
    assert printed == classified
