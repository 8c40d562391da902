"""The C sources around the kernels of a plain step."""

from __future__ import annotations

import re

from delrec_compile.artifact.plain import PlainArtifact


def test_a_step_has_neither_heap_nor_arrays_on_the_stack(cell_sources: PlainArtifact) -> None:
    name = cell_sources.manifest.name
    texts = [p.read_text() for p in sorted((cell_sources.path / "src").glob("*.[ch]"))]
    header = (cell_sources.path / "include" / f"{name}.h").read_text()
    headers = set(re.findall(r"#include <(\w+\.h)>", "".join([header, *texts])))
    assert headers <= {"stdint.h", "stddef.h", "stdbool.h", "float.h"}
    assert not re.search(r"\b(malloc|free|memcpy|memset)\(", "".join(texts))
    assert re.search(
        r"float past_h\[4\];\n.*int64_t past_n\[1\];\n.*float work_float\[\d+\];", header
    )


def test_state_is_no_larger_than_what_lives_at_once(cell_sources: PlainArtifact) -> None:
    """The two products of 4 and their sum need no more than three arrays of 4."""
    name = cell_sources.manifest.name
    header = (cell_sources.path / "include" / f"{name}.h").read_text()
    found = re.search(r"float work_float\[(\d+)\];", header)
    assert found
    assert int(found[1]) <= 14
