"""Real-valued input, rounded once, where it enters the network.

    u  = round(clip(x, -max_input, max_input) * 2^bits)      half to even: whole units of 2^-bits
    x' = u * 2^-bits

Everything after it is exact: u has 16 bits, so its products with weights on a grid have no rounding
error, and their sums none below 2^24 units. Infinities are clipped. A NaN has no value here: runners
refuse it, compiled code makes max_input of it.

Compiled code adds 1.5 * 2^23 to x * 2^bits, whose mantissa then is u: the sum of two float32 is rounded
half to even, and the product with a power of two is exact, so a fused multiply-add is the same. The bits
are taken as an integer: no compiler can cancel the sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, INT16_MAX
from delrec_compile.errors import NetworkError

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter

FINEST = 15  # bits of the smallest input that has a unit of its own
MAGIC = 1.5 * 2**23
MAGIC_BITS = 0x4B400000

ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
RealInput <lowest, highest, scale, unit> (x) => (rounded)
{
    low = Constant <value_float: float = @lowest> ()
    high = Constant <value_float: float = @highest> ()
    up = Constant <value_float: float = @scale> ()
    down = Constant <value_float: float = @unit> ()
    within = Clip (x, low, high)
    scaled = Mul (within, up)
    whole = Round (scaled)
    rounded = Mul (whole, down)
}
"""
C_TEXT = """/* value * scale, a power of two, as the nearest whole number, of two the even one; a value
   beyond `high`, or a NaN, counts as `high`. Without an FPU by its bits: the same number */
static inline int32_t to_units(float value, float high, float scale)
{
    union {
        float value;
        uint32_t bits;
    } word;
#if (defined(__arm__) && !defined(__ARM_FP)) || (defined(__riscv) && !defined(__riscv_flen))
    uint32_t negative, size, most, mantissa, down, units;
    word.value = high;
    most = word.bits;
    word.value = scale;
    down = 277u - (word.bits >> 23); /* 150 - log2(scale) */
    word.value = value;
    negative = word.bits >> 31;
    size = word.bits & 0x7fffffffu;
    size = size < most ? size : most;
    down -= size >> 23;
    if (down > 24u)
        return 0;
    mantissa = (size & 0x7fffffu) | 0x800000u;
    units = (mantissa + (1u << (down - 1u)) - 1u + ((mantissa >> down) & 1u)) >> down;
    return negative ? -(int32_t)units : (int32_t)units;
#else
    value = value < high ? value : high;
    value = value > -high ? value : -high;
    word.value = value * scale + 12582912.0f;
    return (int32_t)(word.bits - 0x4b400000u);
#endif
}

"""


@dataclass(frozen=True)
class RealInput:
    """bits: of the fraction, 0 to 15. max_input: largest size of a value, a multiple of 2^-bits.

    Raises NetworkError.
    """

    bits: int
    max_input: float

    def __post_init__(self) -> None:
        if isinstance(self.bits, bool) or not isinstance(self.bits, int):
            raise NetworkError(f"input_bits is {self.bits!r}; a whole number is required")
        if not 0 <= self.bits <= FINEST:
            raise NetworkError(f"input_bits is {self.bits}; allowed: 0 to {FINEST}")
        units = self.max_input * 2.0**self.bits
        if not 1 <= units <= INT16_MAX:
            raise NetworkError(
                f"max_input is {self.max_input:g} with input_bits {self.bits}: {units:g} units of "
                f"2^-{self.bits}; allowed: 1 to {INT16_MAX}; scale the inputs, or use other input_bits"
            )
        if units != int(units):
            raise NetworkError(
                f"max_input is {self.max_input:g}; a multiple of 2^-{self.bits} (input_bits) is "
                f"required, such as {np.ceil(units) / 2.0**self.bits:g}"
            )

    @property
    def largest(self) -> int:
        """Largest size of u."""
        return int(self.max_input * 2.0**self.bits)

    def units(self, x: F32) -> NDArray[np.int32]:
        """u, of values without NaN."""
        return np.asarray(np.ldexp(self.reference(x), self.bits), np.int32)

    def reference(self, x: F32) -> F32:
        """x' of x, in the shape of x."""
        high, scale = np.float32(self.max_input), np.float32(2.0**self.bits)
        return np.asarray(np.rint(np.clip(x, -high, high) * scale) / scale, np.float32)

    def torch_form(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        scale = 2.0**self.bits
        return torch.round(torch.clamp(x, -self.max_input, self.max_input) * scale) * (1 / scale)

    def node_attributes(self) -> dict[str, float]:
        """Attributes of its ONNX node."""
        high = float(self.max_input)
        scale = 2.0**self.bits
        return {"lowest": -high, "highest": high, "scale": scale, "unit": 1 / scale}

    @staticmethod
    def from_node(attributes: dict[str, float]) -> RealInput:
        """The way back from an ONNX node."""
        return RealInput(round(np.log2(attributes["scale"])), attributes["highest"])

    def emit(self, e: Emitter, x: Any, lanes: int) -> Any:
        """u of a block of float32 values, as int32."""
        T, scale = e.T, e.T.float32(2.0**self.bits)
        if e.generator == "c":
            return T.call_extern("int32", "to_units", x, T.float32(self.max_input), scale)
        high, low = (e.splat(T.float32(end), lanes) for end in (self.max_input, -self.max_input))
        given = e.register(lanes, x)
        below = e.load(given, 0, lanes)
        e.store(given, 0, lanes, T.Select(below < high, below, high))
        above = e.load(given, 0, lanes)
        scaled = T.Select(above > low, above, low) * e.splat(scale, lanes)
        if e.generator == "cuda":
            return T.call_extern("int32", "__float2int_rn", scaled)
        kind = "int32" if lanes == 1 else f"int32x{lanes}"
        shifted = scaled + e.splat(T.float32(MAGIC), lanes)
        return T.reinterpret(kind, shifted) - e.splat(T.int32(MAGIC_BITS), lanes)

    def emit_value(self, e: Emitter, x: Any, lanes: int) -> Any:
        """x' of a block of float32 values."""
        unit = e.splat(e.T.float32(2.0**-self.bits), lanes)
        return e.cast(self.emit(e, x, lanes), "float32", lanes) * unit


def input_text(facts: Mapping[str, Any]) -> str:
    """What a network takes, for people. facts: input_bits and max_input."""
    most, bits = facts["max_input"], facts["input_bits"]
    if bits is None:
        return f"counts up to {most}"
    return f"real values up to {most:g} in size, rounded to multiples of 2^-{bits}"
