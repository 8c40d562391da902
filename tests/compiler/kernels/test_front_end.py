"""The front end's TIR beside its NumPy form."""

from __future__ import annotations

import numpy as np
import tvm

from delrec_compile.compiler.codegen.c_text import c_text
from delrec_compile.compiler.kernels.front_end import compose_front_end
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.targets.schedule import Schedule

FRONT = FrontEnd(channels=6, step_ms=3)
SCHEDULE = Schedule(1, 8, "scan")


def test_counts_and_state_are_those_of_the_definition() -> None:
    kernel = compose_front_end(FRONT, SCHEDULE)
    module = tvm.IRModule({"kernel": kernel.function.with_attr("global_symbol", "kernel")})
    run = tvm.compile(module, target=tvm.target.Target("llvm"))["kernel"]
    r, want = np.random.default_rng(0), FRONT.fresh()
    state = [tvm.runtime.tensor(v[0]) for v in FRONT.fresh().values()]
    filters = tvm.runtime.tensor(kernel.tables["filters"])
    fired = 0
    for level in (32_767, 32_767, 300, 8_000, 0):
        pcm = r.choice([-level - 1, level], FRONT.block).astype(np.int16)
        counts = tvm.runtime.tensor(np.zeros(FRONT.channels, np.uint8))
        run(tvm.runtime.tensor(pcm), counts, filters, *state)
        expected = FRONT.step(want, pcm[None])[0]
        np.testing.assert_array_equal(counts.numpy(), expected)
        for name, got in zip(want, state, strict=True):
            np.testing.assert_array_equal(got.numpy(), want[name][0], err_msg=name)
        fired += int(expected.sum())
    assert fired > 10


def test_its_c_text_multiplies_in_64_bits_and_keeps_32() -> None:
    kernel = compose_front_end(FRONT, SCHEDULE, "c")
    assert kernel.stack == FRONT.stack
    text = c_text({"f": kernel.function})
    assert max(map(len, text.split("void f(")[1].splitlines())) < 300, "a scalar is written out"
    assert "(int64_t)" in text
    assert "const int16_t *restrict pcm" in text
    assert "float " not in text.split("void f(")[1]
