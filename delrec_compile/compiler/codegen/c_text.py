"""TIR functions -> C text that any C99 compiler takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tvm
from tvm import tirx

from delrec_compile.compiler.codegen import signatures
from delrec_compile.compiler.codegen.native import c_abi_pipeline
from delrec_compile.ops import byte_rows


def c_text(functions: Mapping[str, Any]) -> str:
    """The functions as freestanding C99 that includes stdint.h and stdbool.h only."""
    module = tvm.IRModule({n: f.with_attr("global_symbol", n) for n, f in functions.items()})
    built = tirx.build(module, target=tvm.target.Target("c"), pipeline=c_abi_pipeline(shared=False))
    text = signatures.rewrite(_without_runtime(str(built.inspect_source())), KERNEL, _qualify)
    return _C_HEAD + (byte_rows.C_TEXT if "add_even_bytes(" in text else "") + text


KERNEL = r"(void \w+)\(([^)]*)\) \{(.*?^\}\n)"
_C_HEAD = """#include <stdbool.h>
#include <stdint.h>
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif
#if defined(__GNUC__)
#define MOSTLY(x) __builtin_expect((x), 1)
#define SELDOM(x) __builtin_expect((x), 0)
#else
#define MOSTLY(x) (x)
#define SELDOM(x) (x)
#endif

"""


def _without_runtime(text: str) -> str:
    """Drops TVM's own headers, its context, and its export marks."""
    text = re.sub(r"^(//|#).*\n|^void\* __tvm_ffi__library_ctx.*\n", "", text, flags=re.M)
    text = re.sub(r'^extern "C"\n', "", text, flags=re.M)
    return re.sub(r"^TVM_DLL [^;{]*;\n", "", text, flags=re.M).replace("TVM_DLL ", "")


def _qualify(parameters: list[str], body: str) -> tuple[list[str], str]:
    """Adds restrict to every pointer, and const to those never stored to."""
    body, written = _windows(body)
    out = []
    for parameter in parameters:
        if "* " in parameter:
            kind, variable = parameter.rsplit("* ", 1)
            stored = variable in written or _stored(variable, body)
            parameter = f"{'' if stored else 'const '}{kind} *restrict {variable}"
        out.append(parameter)
    return out, body


def _stored(variable: str, body: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(variable)}\[[^=;\n]*\] = ", body) is not None


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
