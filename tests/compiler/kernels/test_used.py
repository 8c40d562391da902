"""Tables that no kernel reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import onnx
from tvm import tirx

from delrec_compile.compiler.codegen.c_text import c_text
from delrec_compile.compiler.kernels.used import without_unused
from delrec_compile.compiler.lower import lower
from delrec_compile.targets.schedule import Schedule

SCHEDULE = Schedule(1, 8, "scan")
NOTHING = tirx.Evaluate(tirx.IntImm("int32", 0))


def test_a_table_that_nothing_reads_is_left_out(
    exported: Callable[..., onnx.ModelProto],
) -> None:
    """A counting readout has no leak."""
    kernels = lower(exported("count_readout", "semantic"), SCHEDULE, generator="c")
    own = without_unused(kernels)
    assert "out_leak" in kernels["run"].tables
    for name, kernel in own.items():
        gone = kernels[name].tables.keys() - kernel.tables.keys()
        assert gone == {"out_leak"}
        before, after = (len(k.function.params) for k in (kernels[name], kernel))
        assert before == after + 1
        text = c_text({"f": kernel.function})
        assert "out_leak" not in text
        assert all(table in text for table in kernel.tables)


def test_a_table_that_one_kernel_reads_stays_in_all(
    exported: Callable[..., onnx.ModelProto],
) -> None:
    kernels = lower(exported("mixed", "semantic"), SCHEDULE, generator="c")
    run, trace = kernels["run"], kernels["trace"]
    unread = replace(run, function=run.function.with_body(NOTHING))
    own = without_unused({"run": unread, "trace": trace})
    assert own == {"run": unread, "trace": trace}
    assert not without_unused({"run": unread})["run"].tables
