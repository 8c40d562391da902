"""How the float32 kernel holds its constants: float32, or integers in units of the grid."""

from __future__ import annotations

import cases

from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.targets.schedule import Schedule

VNNI = Schedule(16, 4, "compress", rows="pairs")


def test_a_chunked_kernel_sums_many_steps_at_a_time() -> None:
    network = cases.network("feed_forward")
    schedule = Schedule(4, 4, "scan", chunk=8)
    run, sequence = (compose(network, schedule, kernel=k) for k in ("run", "sequence"))
    assert run.state == sequence.state
    assert "chunk" in sequence.function.script()
    assert "chunk" not in run.function.script()
