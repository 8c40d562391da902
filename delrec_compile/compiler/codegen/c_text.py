"""TIR functions -> C text that any C99 compiler takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tvm
from tvm import tirx

from delrec_compile.compiler.codegen import signatures
from delrec_compile.compiler.codegen.native import c_abi_pipeline
from delrec_compile.ops import (
    byte_rows_c,
    delay_line,
    dense_product,
    integer_leak,
    integer_lif_c,
    linear_c,
    memory_rows_c,
    real_input,
)


def c_text(functions: Mapping[str, Any], includes: Sequence[str] = ()) -> str:
    """The functions as freestanding C99: it includes headers of the compiler only.

    includes: further headers, of the same folder.
    """
    module = tvm.IRModule({n: f.with_attr("global_symbol", n) for n, f in functions.items()})
    built = tirx.build(module, target=tvm.target.Target("c"), pipeline=c_abi_pipeline(shared=False))
    text = _without_unused(_without_runtime(str(built.inspect_source())))
    text = OTHER_TYPE.sub(r"((any_\1*)\2)[", signatures.rewrite(text, KERNEL, _qualify))
    own = "".join(f'#include "{header}"\n' for header in includes) + ("\n" if includes else "")
    for call, helper in reversed(HELPERS.items()):
        text = helper + text if call in text else text
    return _C_HEAD + own + text


KERNEL = r"(void \w+)\(([^)]*)\) \{(.*?^\}\n)"
DECLARED = re.compile(r"^ *u?int\d+_t (\w+) = [^;\n]*;\n", re.M)  # scalars alone
TO_ITSELF = re.compile(r"^ *([^=;\n]+) = \1;\n", re.M)  # of a sum that no event adds to
ARRAY = re.compile(r"^ *\w+ (\w+)\[\d+\];\n", re.M)
OTHER_TYPE = re.compile(r"\(\((?!u?int8_t)(\w+)\*\)(\w+)\)\[")  # memory of several types, but bytes
DECLARED_ARRAY = re.compile(r"^ *(\w+) (\w+)\[(\d+)\];\n", re.M)
STORED = re.compile(r"^ *(\w+)\[[^=;\n]*\] = [^;\n]*;\n", re.M)
STORING = r"sum_rows_\w+|leak_four"  # functions that store to their first argument
# A fused multiply-add, a sum in another order or a wider type would give other bits than PyTorch.
# Flags that allow them are refused, or undone by a pragma; `rounded` holds whatever they are.
EXACT = """#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#if __clang_major__ >= 11
#pragma clang fp reassociate(off)
#endif
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#elif !defined(__GNUC__)
#pragma STDC FP_CONTRACT OFF
#endif
#if defined(__FAST_MATH__) || defined(_M_FP_FAST) \\
    || defined(__ASSOCIATIVE_MATH__) || defined(__NO_SIGNED_ZEROS__)
#error "other bits than the network's: compile this file without -ffast-math, -Ofast and their parts"
#endif
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "a broken membrane would not heal: compile this file without -ffinite-math-only"
#endif
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 /* 16: float is float, _Float16 is as well */
#error "float is computed in a wider type: compile this file with -msse2 -mfpmath=sse or the like"
#endif
"""
ROUNDED = """/* the value; a compiler no longer sees the product that made it, to fuse it with a sum */
static inline float rounded(float value)
{
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__SSE_MATH__))
    __asm__("" : "+x"(value));
#elif defined(__GNUC__) && defined(__aarch64__)
    __asm__("" : "+w"(value));
#elif defined(__GNUC__) && defined(__ARM_FP) && !defined(__SOFTFP__)
    __asm__("" : "+t"(value));
#elif defined(__GNUC__) && defined(__riscv_flen)
    __asm__("" : "+f"(value));
#elif defined(__GNUC__) && !defined(__wasm__)
    union {
        float value;
        uint32_t bits;
    } word;
    word.value = value;
    __asm__("" : "+r"(word.bits));
    value = word.value;
#endif
    return value;
}

"""
_C_HEAD = f"""#include <float.h>
#include <stdbool.h>
#include <stdint.h>
{EXACT}
"""
MOSTLY, SELDOM = (
    f"""#if defined(__GNUC__)
#define {name}(x) __builtin_expect((x), {expected})
#else
#define {name}(x) (x)
#endif

"""
    for name, expected in (("MOSTLY", 1), ("SELDOM", 0))
)
# what a compiler takes for memory of its own would be read before it is written
ANY_TYPE = {
    f"any_{kind}*": f"""/* in memory that holds several types, one after another */
#if defined(__GNUC__)
typedef {kind} any_{kind} __attribute__((may_alias));
#else
typedef {kind} any_{kind};
#endif

"""
    for kind in ("int16_t", "uint16_t", "int32_t", "uint32_t", "float")
}
HELD = """/* a pointer whose making a compiler no longer sees: each access is relative to it */
#if defined(__GNUC__) && !defined(__wasm__)
#define HELD(pointer) __asm__("" : "+r"(pointer))
#else
#define HELD(pointer) ((void)(pointer))
#endif

"""
SOUND = """/* whether a membrane is no less than -1e30; without an FPU by its bits, in the same order */
static inline bool is_sound(float m)
{
#if (defined(__arm__) && !defined(__ARM_FP)) || (defined(__riscv) && !defined(__riscv_flen))
    union {
        float value;
        uint32_t bits;
    } word;
    word.value = m;
    return word.bits <= 0xf149f2cau;
#else
    return m >= -1e30f;
#endif
}

"""
BROKEN = """/* whether a value is NaN, infinite or beyond 1e30 in size: by its bits without the sign */
static inline bool is_broken(float value)
{
    union {
        float value;
        uint32_t bits;
    } word;
    word.value = value;
    return (word.bits << 1) > 0xe293e594u;
}

"""
ANY_OF_FOUR = """/* whether any of four bytes is set */
static inline bool any_of_four(const uint8_t *bytes)
{
#if defined(__GNUC__) && (defined(__ARM_FEATURE_UNALIGNED) || !(defined(__arm__) || defined(__riscv)))
    uint32_t word;
    __builtin_memcpy(&word, bytes, 4);
    return word != 0;
#else
    return (bytes[0] | bytes[1] | bytes[2] | bytes[3]) != 0;
#endif
}

"""
WHICH_ACTIVE = (
    memory_rows_c.HEAD
    + """/* which of the next sixteen bytes are not 0. n: number of bytes, fewer or more */
static inline uint32_t which_active(const uint8_t *bytes, uint32_t n)
{
#if defined(__ARM_FEATURE_MVE)
    return vcmpneq_n_u8(vldrbq_z_u8(bytes, vctp8q(n)), 0);
#else
    uint32_t bits = 0u;
    for (uint32_t k = 0; k < n && k < 16u; ++k) {
        bits |= bytes[k] != 0 ? 1u << k : 0u;
    }
    return bits;
#endif
}

"""
)
# functions that kernels call, by what their calls look like; each may call those before it, and is
# there only where it is called
HELPERS = {
    **ANY_TYPE,
    "MOSTLY(": MOSTLY,
    "SELDOM(": SELDOM,
    "add_even_bytes(": byte_rows_c.ADDED,
    "lower_sum(": byte_rows_c.LOWER,
    "upper_sum(": byte_rows_c.UPPER,
    "carried_sum(": byte_rows_c.CARRIED,
    "upper_of_product(": integer_leak.C_TEXT,
    "leak_four(": integer_lif_c.LEAK,
    "which_reach(": integer_lif_c.REACH,
    "lowest_bit(": delay_line.C_TEXT,
    "any_of_four(": ANY_OF_FOUR,
    "which_active(": WHICH_ACTIVE,
    "add_pair(": dense_product.ADD_PAIR,
    "add_even_pair(": dense_product.ADD_EVEN,
    "add_odd_pair(": dense_product.ADD_ODD,
    "rounded(": ROUNDED,
    "HELD(": HELD,
    "ADD_EIGHT(": linear_c.ADD,
    "ADD_EIGHT_TIMES(": linear_c.ADD_TIMES,
    **memory_rows_c.C_TEXTS,
    "is_sound(": SOUND,
    "to_units(": real_input.C_TEXT,
    "is_broken(": BROKEN,
}


def _without_runtime(text: str) -> str:
    """Drops TVM's own headers, its context, its export marks, and its pragma of each `while`."""
    text = re.sub(r"^(//|#).*\n|^void\* __tvm_ffi__library_ctx.*\n", "", text, flags=re.M)
    text = re.sub(r'^extern "C"\n|^ *#pragma unroll 1\n', "", text, flags=re.M)
    return re.sub(r"^TVM_DLL [^;{]*;\n", "", text, flags=re.M).replace("TVM_DLL ", "")


def _without_unused(text: str) -> str:
    """Drops the variables that nothing reads, and what is stored in them: TVM inlines their values and
    leaves them. Drops what is stored where it is too.
    """
    text = TO_ITSELF.sub("", text)
    words = Counter(re.findall(r"\w+", text))
    used = DECLARED.sub(lambda match: match[0] if words[match[1]] > 1 else "", text)
    stored = Counter(STORED.findall(used))
    arrays = {name for name in ARRAY.findall(used) if words[name] == 1 + stored[name]}
    for statement in (ARRAY, STORED):
        used = statement.sub(lambda match: "" if match[1] in arrays else match[0], used)
    return used if used == text else _without_unused(used)


def _qualify(parameters: list[str], body: str) -> tuple[list[str], str]:
    """Adds restrict to every pointer, and const to those never stored to."""
    body, written = _windows(_by_widest(body))
    out = []
    for parameter in parameters:
        if "* " in parameter:
            kind, variable = parameter.rsplit("* ", 1)
            stored = variable in written or _stored(variable, body)
            parameter = f"{'' if stored else 'const '}{kind} *restrict {variable}"
        out.append(parameter)
    return out, body


def _by_widest(body: str) -> str:
    """Declares memory that arrays of several types have after one another as the widest of them, whose
    alignment serves all.
    """
    for kind, name, count in DECLARED_ARRAY.findall(body):
        cast = rf"\(\((\w+)\*\){name}\)"
        widest = max([kind, *re.findall(cast, body)], key=_size)
        if _size(widest) == _size(kind):
            continue
        head, rest = body.split(f" {kind} {name}[{count}];\n", 1)
        number = -(-int(count) * _size(kind) // _size(widest))
        rest = re.sub(rf"(?<!\w)(?<!\*\)){name}\[", f"(({kind}*){name})[", rest)
        rest = rest.replace(f"(({widest}*){name})", name)
        body = f"{head} {widest} {name}[{number}];\n{rest}"
    return body


def _size(kind: str) -> int:
    """Bytes of a type of C."""
    return np.dtype("float32" if kind == "float" else kind.removesuffix("_t")).itemsize


def _stored(variable: str, body: str) -> bool:
    """Whether anything is assigned to it, or a function that stores takes its address."""
    name = re.escape(variable)
    stores = rf"(?<!\w){name}\[[^=;\n]*\] = |\b(?:{STORING})\(\(?&\(?{name}\["
    return re.search(stores, body) is not None


def _windows(body: str) -> tuple[str, set[str]]:
    """Makes pointers into buffers const unless stored to; also returns the buffers stored to so."""
    written = set()
    for kind, window, buffer in re.findall(r"(\w+)\* (\w+) = \(\w+\*\)\(&\((\w+)\[", body):
        stored = _stored(window, body)
        declared = f"{kind}* {window} = ({kind}*)(&({buffer}["
        body = body.replace(
            declared, f"{'' if stored else 'const '}{kind} *{window} = (&({buffer}["
        )
        if stored:
            written.add(buffer)
    return body, written
