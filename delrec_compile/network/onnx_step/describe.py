"""An ONNX graph of any source in numbers: its tensors, its operators, and what it says of itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import onnx

from delrec_compile.network.onnx_step import file

NEEDED, FIX = "an ONNX graph", "export it again"
FACTS = (
    "form",
    "unroll",
    "dt_ms",
    "decision",
    "max_input",
    "input_bits",
    "max_delay",
    "source_sha256",
)
OWN = "delrec."


def describe(path: Path | str) -> dict[str, Any]:
    """Tensors by name, operators by number, and the facts of an export of this project.

    Raises ModelError for a file that is no graph.
    """
    path = Path(path)
    proto = file.read(path, NEEDED, FIX)
    constants = {t.name for t in proto.graph.initializer}
    facts = {
        p.key.removeprefix(OWN): p.value for p in proto.metadata_props if p.key.startswith(OWN)
    }
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "inputs": {v.name: _shape(v) for v in proto.graph.input if v.name not in constants},
        "outputs": {v.name: _shape(v) for v in proto.graph.output},
        "operators": dict(Counter(node.op_type for node in proto.graph.node).most_common()),
        "opsets": {o.domain or "ai.onnx": o.version for o in proto.opset_import},
        "producer": proto.producer_name,
        "facts": {name: facts[name] for name in FACTS if name in facts},
    }


def _shape(value: onnx.ValueInfoProto) -> str:
    kind = value.type.tensor_type
    name = file.type_name(kind.elem_type)
    axes = [str(d.dim_param or d.dim_value or "?") for d in kind.shape.dim]
    return f"{name} [{', '.join(axes)}]"
