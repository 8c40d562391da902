"""Networks of lava-dl (`.net`, the HDF5 description of its netx) as networks.

Source of the format: lava-dl, `lava.lib.dl.netx` and the `export_hdf5` of SLAYER's blocks. Weights,
decays and thresholds are whole numbers, and so is the arithmetic of its neurons: that of `ops.loihi`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from delrec_compile.errors import CheckpointError, NetworkError
from delrec_compile.interop.hdf5_entries import checked_entries
from delrec_compile.interop.lava.fixed_point import LavaModel
from delrec_compile.interop.lava.layers import LayerReader
from delrec_compile.interop.planned import Refusals, planned
from delrec_compile.interop.result import Imported
from delrec_compile.network import grid
from delrec_compile.network.plan import Plan

FORM = "Lava"
ROOT, KIND = "layer", "network of lava-dl"
LATE = (
    "Lava sends the spikes of each layer a step later; here a step goes through all layers, so the same "
    "spikes come earlier, by a step for each layer before"
)


def from_lava(
    path: Path | str,
    *,
    dt_ms: float = 1.0,
    max_input: float | None = None,
    input_bits: int | None = None,
    name: str = "network",
) -> Imported:
    """The network of a `.net` file as a frozen network: its spikes are those of Lava's fixed-point LIF.

    dt_ms: length of a step. max_input: by default 1, spikes.

    Raises CheckpointError for a file that is damaged or of another kind, UnsupportedError, by the
    layer, for what networks do not have.
    """
    chain = LayerReader(checked_entries(path, ROOT, KIND)).read()
    chain.remarks += [LATE] if len(chain.spiking) > 1 else []
    options: dict[str, Any] = {"max_input": 1 if max_input is None else max_input}
    options |= {"input_bits": input_bits, "notes": {"imported_from": FORM}}
    try:
        network = chain.network(dt_ms=dt_ms, name=name, **options)
    except NetworkError as error:
        raise CheckpointError(f"{path}: {error}") from error
    frozen = grid.snap(network, grid.FINE)
    return Imported(
        frozen, network, FORM, tuple(chain.remarks), LavaModel(chain.parts), chain.spiking
    )


def plan_lava(
    path: Path | str,
    source: str = "",
    *,
    max_input: float | None = None,
    input_bits: int | None = None,
    **_: Any,
) -> Plan:
    """What each layer becomes, or why it is refused. Options as in `from_lava`."""
    refusals: Refusals = {}
    reader = LayerReader(checked_entries(path, ROOT, KIND), refusals)
    chain = reader.read()
    names = [(layer.name, layer.text("type")) for layer in reader.layers]
    for at, name in [(k, n) for k, (n, _) in enumerate(names)][::-1]:
        own = [n for n, _ in chain.parts if n.startswith(f"{name}.")]
        names[at + 1 : at + 1] = [(n, n.rpartition(".")[2]) for n in own]
    inputs = {"max_input": 1 if max_input is None else max_input, "input_bits": input_bits}
    return planned(source or str(path), FORM, names, chain, refusals, inputs)
