"""What would fit where a network does not: a narrower mode, another target, a smaller layer."""

from __future__ import annotations

from delrec_compile import targets
from delrec_compile.aliases import Numeric
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.integer.quantise import convertible
from delrec_compile.network.model import Network
from delrec_compile.system.chips import KB
from delrec_compile.targets.profile import Target

BYTES = {Numeric.FLOAT32: 4, Numeric.INT16: 2, Numeric.INT8: 1}
CODE = 8 * KB  # of the program without its tables, about


def smaller(network: Network, profile: Target, mode: Numeric) -> str:
    """One line of advice after a build of this network in this mode did not fit."""
    needed = {m: network.parameters() * size + CODE for m, size in BYTES.items()}
    flash = profile.memory.map.flash.size if profile.memory else 0
    for narrower in profile.numeric:
        if BYTES[narrower] < BYTES[mode] and needed[narrower] <= flash:
            try:
                convertible(network, narrower)
            except UnsupportedError:
                continue
            return f"in {narrower} it takes about {needed[narrower] // KB} KB: --numeric {narrower}"
    populations = network.spiking
    sizes = [sum(each.synapses.parameters for each in p.projections) for p in populations]
    most = max(range(len(sizes)), key=sizes.__getitem__)
    where = f"population '{populations[most].name}'" if network.graph else f"layer {most}"
    return (
        f"{where} holds {sizes[most]:,} of its {network.parameters():,} weights: make it smaller, "
        f"or take a target with more memory: {_larger(needed[mode], mode)}"
    )


def _larger(needed: int, mode: Numeric) -> str:
    """Targets that have the memory, or no memory of their own."""
    profiles = [targets.load(name) for name in targets.names()]
    able = [p for p in profiles if mode in p.numeric and p.form != "cuda"]
    fits = [p.name for p in able if p.memory and p.memory.map.flash.size >= needed]
    free = [p.name for p in able if p.memory is None]
    return ", ".join([*fits, *free])
