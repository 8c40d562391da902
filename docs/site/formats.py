"""The page of file formats: fields of files by the types that read and write them."""

from __future__ import annotations

import dataclasses
import inspect
import json
from typing import Any

from safetensors import safe_open

from delrec_compile.artifact.abi import StateVariable
from delrec_compile.artifact.manifest import Manifest
from delrec_compile.evaluation.claims.claim import Claim, Claims
from delrec_compile.evaluation.claims.published import Published
from delrec_compile.evaluation.compare.result import Comparison, TargetRow
from delrec_compile.network.checkpoint import FORMAT, GRAPH, bundled
from delrec_compile.training.config import TrainConfig

# heading -> what is read or written there, and the types whose fields are its keys
FILES: dict[str, tuple[str, tuple[type, ...]]] = {
    "Manifest": ("`manifest.json` of an artifact.", (Manifest, StateVariable)),
    "Comparison": ("`compare --json`.", (Comparison, TargetRow)),
    "Claims": ("`claims --json`.", (Claims, Claim, Published)),
    "Training": ("A TOML file of options, for `train --config`.", (TrainConfig,)),
}
ELSEWHERE = {
    "samples, `.npz`, `.npy`, `.csv`, `.h5`": "[Samples](../samples.md)",
    "the step, `.onnx`, and its state": "[ONNX](../onnx.md)",
    "a target, `.toml`": "[Target files](targets.md)",
    "tuned schedules, `.jsonl`": "[Find a faster schedule](../tune.md)",
    "a sweep, `.toml`, and its results": "[Many trainings](../sweep.md)",
    "models of other frameworks": "[Bring your own model](../import.md)",
    "the header, `.h`": "[C](header.md)",
}


def page() -> str:
    rows = ["| file | is described in |", "|---|---|"]
    rows += [f"| {what} | {where} |" for what, where in ELSEWHERE.items()]
    parts = ["# File formats", "\n".join(rows), network()]
    for heading, (text, kinds) in FILES.items():
        parts += [f"## {heading}", text, *(fields(kind) for kind in kinds)]
    return "\n\n".join(parts) + "\n"


def network() -> str:
    """A network's file, by one that is bundled."""
    name = "conv_delay_256"
    with safe_open(bundled(name), "numpy") as file:
        metadata = file.metadata()
        rows = ["| tensor | type | shape |", "|---|---|---|"]
        for key in sorted(file.keys()):
            part = file.get_slice(key)
            rows.append(f"| `{key}` | {part.get_dtype()} | {part.get_shape()} |")
    keys = ", ".join(f"`{key}`" for key in json.loads(metadata["config"]))
    text = (
        f"A `.safetensors` file. Its metadata holds `format` (`{FORMAT}` of a chain, `{GRAPH}` of a "
        "graph of populations), `sha256` of its content, and `config`: JSON of the rest, here "
        f"{keys}. The tensors of `{name}`:"
    )
    return "\n\n".join(["## Network", text, "\n".join(rows)])


def fields(kind: type) -> str:
    """A table of the fields of a dataclass."""
    rows = ["| key | type | default |", "|---|---|---|"]
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        typed = str(field.type).replace("|", "\\|")
        rows.append(f"| `{field.name}` | {typed.replace('[', '&#91;')} | {_default(field)} |")
    text = inspect.cleandoc(kind.__doc__ or "").replace("<", "&lt;")
    return "\n\n".join([f"### {kind.__name__}", text, "\n".join(rows)])


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return "" if field.default in (None, "") else f"`{field.default!s}`"
    return "" if field.default_factory is not dataclasses.MISSING else "required"
