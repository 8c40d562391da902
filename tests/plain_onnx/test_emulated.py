"""Plain steps on emulated chips and boards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.plain_steps import CELL, written

from delrec_compile.errors import InputError
from delrec_compile.plain_onnx import check, reference
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.emulated import emulated
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.plain_onnx.step_graph import read
from delrec_compile.runners.emulated import qemu

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.mark.parametrize("target", ["cortex_m0plus", "riscv32", "wasm32", "cortex_m55"])
def test_state_goes_on_in_a_chip(target: str, tmp_path: Path) -> None:
    if target == "cortex_m55" and not qemu.available():
        pytest.skip("needs qemu-system-arm")
    path = written(CELL, tmp_path / "cell.onnx")
    built = build_plain(path, target, out=tmp_path / "out")
    session, x = emulated(built), reference.inputs_of(read(path), 6, 1)[:, 0]
    np.testing.assert_allclose(
        session.run(x), reference.outputs_of(read(path), x), atol=1e-5, rtol=1e-5
    )
    assert session.self_test()
    assert len(session.instructions) == 6
    assert session.stack_bytes < 512
    with pytest.raises(InputError, match="'check' emulates it"):
        PlainSession(built)
    told = check.bench_plain(str(built.path))
    assert told["instructions_per_step"] == pytest.approx(np.mean(session.instructions), rel=0.3)
