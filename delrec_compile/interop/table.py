"""The table of all that an import reads, and refuses, made from what the readers declare.

`python -m delrec_compile.interop.table docs/import.md` writes it between its marks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from delrec_compile.interop.checkpoints import se_adlif, snn_delays, sparch
from delrec_compile.interop.delrec import recipes
from delrec_compile.interop.lava import layers
from delrec_compile.interop.nir import nodes

BEGIN = "<!-- imports: made by `python -m delrec_compile.interop.table docs/import.md` -->\n"
END = "<!-- end of imports -->\n"
HEAD = "| source | there | here |\n|---|---|---|\n"
Row = tuple[str, str, str]


def rows() -> Iterator[Row]:
    """Source, name there, and what it becomes or why it is refused."""
    for node, becomes in nodes.READS.items():
        yield "NIR", node, becomes
    for kind, becomes in layers.LAYERS.items():
        yield "Lava", f"layer {kind}", becomes
    for kind, becomes in layers.NEURONS.items():
        yield "Lava", f"neurons {kind}", becomes
    for what, others in (("layer", layers.OTHER_LAYERS), ("neurons", layers.OTHER_NEURONS)):
        for kind, why in others.items():
            yield "Lava", f"{what} {kind}", f"refused: {why}"
    for recipe in (*recipes.RECIPES, *snn_delays.RECIPES.values()):
        yield "checkpoint", recipe.script, f"recipe `{recipe.name}`"
    for name, own in se_adlif.RECIPES.items():
        yield "checkpoint", f"SE-adLIF {own.script}", f"recipe `{name}`"
    for kind in sparch.KINDS:
        yield "checkpoint", f"sparch {kind}", "told by its keys"


def table() -> str:
    """The table with its marks."""
    lines = (f"| {source} | {there} | {here} |\n" for source, there, here in rows())
    return f"{BEGIN}{HEAD}{''.join(lines)}{END}"


def with_table(text: str) -> str:
    """The document with the table as it is now. Raises ValueError for one without the marks."""
    before, after = text.index(BEGIN), text.index(END) + len(END)
    return text[:before] + table() + text[after:]


def main(path: Path) -> None:
    """Writes the table into the document."""
    path.write_text(with_table(path.read_text()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
