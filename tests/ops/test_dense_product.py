"""The dense product: the sums of its formula in every layout, on this machine and on small cores."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tvm
from fixtures.products import NAME, dense, product

from delrec_compile.compiler.codegen.c_text import c_text
from delrec_compile.errors import NetworkError
from delrec_compile.ops.dense_product import ADD_EVEN, ADD_ODD, ADD_PAIR, DenseProduct
from delrec_compile.ops.real_input import RealInput
from delrec_compile.targets.schedule import Schedule

REAL = RealInput(6, 511)
RNG = np.random.default_rng(5)
WORDS, ROWS = (Schedule(lanes=1, events="branch", bytes=kind) for kind in ("words", "memory"))
SHAPES = [(1, 1, 16), (9, 7, 16), (13, 10, 8), (8, 64, 8)]  # outputs, inputs, bits of a weight


def values(inputs: int) -> np.ndarray:
    """Of all sizes, with ties beside them, and both ends."""
    x = RNG.uniform(-600, 600, inputs).astype(np.float32)
    x[1::4] = np.exp2(RNG.uniform(-40, 12, x[1::4].shape))
    x[2::4] = (RNG.integers(-300, 300, x[2::4].shape) + 0.5) / 64
    x[3::8], x[0] = [0, -np.inf, np.inf, -1e-42, 2.0**-7, 3 * 2.0**-8, 1, -1][: len(x[3::8])], -600
    return x


def test_the_reference_is_the_formula() -> None:
    made = DenseProduct(np.array([[1, -2], [3, 4]], np.int8), 100)
    assert made.reference(np.array([[10, 1], [0, -5]])).tolist() == [[8, 34], [10, -20]]
    with pytest.raises(NetworkError, match="beyond int32; use fewer input_bits"):
        DenseProduct(np.full((1, 3), 32767, np.int16), 32767)


def test_four_bytes_of_a_word_are_two_pairs() -> None:
    (word,) = DenseProduct(np.array([[1, 2, 3, -4]], np.int8), 1).table(WORDS)
    assert [int(word) >> 8 * k & 255 for k in range(4)] == [1, 3, 2, 252]
    table = DenseProduct(np.array([[1, -2, 3]], np.int16), 1).table(WORDS)
    assert [hex(word) for word in table] == ["0xfffe0001", "0x3"]


def test_c_text_multiplies_in_32_bits() -> None:
    """Where an int has 16, the product of two overflows."""
    text = ADD_PAIR + ADD_EVEN + ADD_ODD
    factors = re.findall(r"(\(int32_t\))?\(int(?:8|16)_t\)(?:\w+|\([^)]*\)) \* \(int16_t\)", text)
    assert len(factors) == text.count(" * (int16_t)") == 6
    assert all(factors)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rows_compiled_here_give_the_sums(shape: tuple[int, int, int]) -> None:
    made = dense(*shape, REAL.largest)
    function = product(REAL, made, ROWS, "llvm").with_attr("global_symbol", NAME)
    built = tvm.compile(tvm.IRModule({NAME: function}), target=tvm.target.Target("llvm"))
    x = values(made.inputs)
    arrays = [x, np.zeros(made.outputs, np.int32), made.table(ROWS)]
    given = [tvm.runtime.tensor(a) for a in arrays]
    built[NAME](*given)
    assert given[1].numpy().tolist() == made.reference(REAL.units(x)[None])[0].tolist()


@pytest.mark.parametrize("core", ["cortex_m0plus", "cortex_m4"])
def test_c_text_gives_the_sums_on_cores_with_and_without_dsp(core: str, tmp_path: Path) -> None:
    pytest.importorskip("unicorn")
    pytest.importorskip("ziglang")
    from fixtures.programs import BOARD

    from delrec_compile.runners.emulated.processor import Processor
    from delrec_compile.system.chips import CORES
    from delrec_compile.system.zig import compile_c, link_bare

    cases = [(dense(*shape, REAL.largest), rows) for shape in SHAPES for rows in (WORDS, ROWS)]
    functions = {f"{NAME}{k}": product(REAL, *case, "c") for k, case in enumerate(cases)}
    source, triple, cpu = tmp_path / "product.c", CORES[core].triple, CORES[core].cpu
    text = c_text(functions)
    assert "__smlad(" in text
    source.write_text(text)
    thing = compile_c([source], tmp_path / "product.o", triple, cpu)
    elf = link_bare([thing], tmp_path / "product.elf", BOARD, triple, cpu, keep=list(functions))
    machine = Processor(elf, core, None, 10.0)
    for (made, rows), name in zip(cases, functions, strict=True):
        x = values(made.inputs)
        raws = [x.tobytes(), bytes(4 * made.outputs), made.table(rows).tobytes()]
        places = [machine.alloc(len(raw)) for raw in raws]
        for place, raw in zip(places, raws, strict=True):
            machine.write(place, raw)
        machine.call(name, *places)
        sums = np.frombuffer(machine.read(places[1], len(raws[1])), np.int32)
        assert sums.tolist() == made.reference(REAL.units(x)[None])[0].tolist()
