"""Leaky readout with a synaptic current: two first-order filters in a row, without a threshold.

    i' = healed(alpha * i + (W s + b))
    v' = healed(beta * v + i')               the new current enters; `i` where the "old" one does
    y  = v'

alpha and beta are one number each, or one for each output. Each product is rounded, then the sum. A
factor of the current that enters v belongs to W and b.

Sources: NIR `CubaLI`, Norse `LICell`, snnTorch `Synaptic` with the reset "none": the new current;
SpyTorch (Neftci, Mostafa, Zenke 2019), and snnTorch `Alpha` with the reset "none": the old one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops.cuba_lif_onnx import ENTERS
from delrec_compile.ops.readout import (
    MEMBRANE,
    Readout,
    ReadoutTile,
    emit_healed,
    healed,
    healed_torch,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

FUNCTION = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} {takes} => (i_next, v_next)
{{
    {constants}broken = Constant <value_float: float = 1.0000001e30> ()
    zero = Constant <value_float: float = 0.0> ()
    decayed = Mul (i, {alpha})
    total = Add (decayed, current)
    total_size = Abs (total)
    total_sound = Less (total_size, broken)
    i_next = Where (total_sound, total, zero)
    leaked = Mul (v, {beta})
    m = Add (leaked, {enters})
    size = Abs (m)
    sound = Less (size, broken)
    v_next = Where (sound, m, zero)
}}
"""
ONE = {
    "takes": "<alpha, beta> (current, i, v)",
    "constants": """alpha_value = Constant <value_float: float = @alpha> ()
    beta_value = Constant <value_float: float = @beta> ()
    """,
    "alpha": "alpha_value",
    "beta": "beta_value",
}
# alpha, beta: (classes,)
EACH = {
    "takes": "(current, i, v, alpha, beta)",
    "constants": "",
    "alpha": "alpha",
    "beta": "beta",
}
NAMES = {enters: f"SynapticIntegrator{enters.title()}" for enters in ENTERS}
EACH_NAMES = {enters: f"SynapticIntegrators{enters.title()}" for enters in ENTERS}
ONNX = tuple(
    FUNCTION.format(name=name, enters="i_next" if enters == "new" else "i", **form)
    for names, form in ((NAMES, ONE), (EACH_NAMES, EACH))
    for enters, name in names.items()
)


@dataclass(frozen=True, eq=False)
class SynapticReadout(Readout):
    """alpha: share of the synaptic current left after a step, 0 to 1, one number or (classes,).

    enters: which synaptic current enters the membrane. The others: see `Readout`.
    """

    alpha: Any = 0.0
    enters: str = "new"
    kind: ClassVar[str] = "synaptic"
    shares: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    each_leaks: ClassVar[bool] = True
    states: ClassVar[Mapping[str, str]] = {"i": "synaptic current of the readout", **MEMBRANE}
    onnx: ClassVar[tuple[str, ...]] = ONNX
    nodes: ClassVar[Nodes] = dict.fromkeys((*NAMES.values(), *EACH_NAMES.values()), (1, 2))
    has_integer_form: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.enters not in ENTERS:
            raise NetworkError(
                f"readout: unknown enters '{self.enters}'; allowed: {', '.join(ENTERS)}"
            )

    def attributes(self) -> dict[str, Any]:
        """See `Readout.attributes`."""
        return {
            **super().attributes(),
            "alpha": np.asarray(self.alpha).tolist(),
            "enters": self.enters,
        }

    def integrate(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Readout.integrate`."""
        alpha, beta = (np.asarray(share, np.float32) for share in (self.alpha, self.beta))
        i = healed(alpha * state["i"] + current)
        v = healed(beta * state["v"] + (i if self.enters == "new" else state["i"]))
        return v, {"i": i, "v": v}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor], *constants: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `Readout.torch_form`."""
        alpha, beta = constants or (self.alpha, self.beta)
        i = healed_torch((state["i"] * alpha).add(current))
        v = healed_torch((state["v"] * beta).add(i if self.enters == "new" else state["i"]))
        return v, {"i": i, "v": v}

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Readout.write_nodes`."""
        i, v = nodes.value("i_next"), nodes.value("v_next")
        inputs = [current, past["i"], past["v"]]
        if self.has_own:
            inputs += [nodes.constant(name) for name in self.shares]
            nodes.call(EACH_NAMES[self.enters], inputs, [i, v])
        else:
            nodes.call(NAMES[self.enters], inputs, [i, v], alpha=self.alpha, beta=self.beta)
        return v, {"i": i, "v": v}

    @classmethod
    def from_node(cls, node: Node, weight: F32, bias: F32) -> SynapticReadout:
        """See `Readout.from_node`."""
        enters = next(e for e in ENTERS if node.op in (NAMES[e], EACH_NAMES[e]))
        own: dict[str, Any] = node.attributes
        if node.op == EACH_NAMES[enters]:
            own = {"alpha": node.array(3), "beta": node.array(4)}
        return cls(weight, bias, own["beta"], alpha=own["alpha"], enters=enters)

    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """See `Readout.tables`."""
        one = 0 if self.has_own else self.alpha
        return {**super().tables(unit), "decay": np.array([one], np.float32)}

    def tile(
        self, e: Emitter, buffers: Callable[[str], Any], y: Any, row: Any, base: Any, size: int
    ) -> ReadoutTile:
        """See `Readout.tile`; its views have the table `decay`, of alpha, too."""
        own = super().tile(e, buffers, y, row, base, size)
        return replace(own, views={**own.views, "decay": buffers("decay")})

    def emit(self, tile: ReadoutTile, current: Any, at: int, lanes: int) -> None:
        """See `Readout.emit`."""
        e = tile.e
        old = e.register(lanes, e.load(tile.views["i"], at, lanes))
        alpha = tile.share("alpha", tile.views["decay"][0], at, lanes)
        new = self._filtered(tile, "i", alpha, current, at, lanes)
        enters = new if self.enters == "new" else e.load(old, 0, lanes)
        v = self._filtered(tile, "v", tile.beta(at, lanes), enters, at, lanes)
        tile.e.store(tile.y, at, lanes, v)

    def _filtered(
        self, tile: ReadoutTile, name: str, share: Any, added: Any, at: int, lanes: int
    ) -> Any:
        """Updates one block of a state variable; returns it."""
        e, state = tile.e, tile.views[name]
        old = e.rounded(e.load(state, at, lanes) * share, lanes)
        m = e.register(lanes, old + added)
        e.store(m, 0, lanes, emit_healed(e, e.load(m, 0, lanes), lanes))
        new = e.load(m, 0, lanes)
        e.store(state, at, lanes, new)
        return new
