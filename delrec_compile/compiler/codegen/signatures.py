"""Qualifiers of kernel parameters, which TVM's C and CUDA text lacks.

Without `restrict` and `const`, a C compiler has to reload every table after each store.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# parameters and body of a kernel -> the same, qualified
Qualify = Callable[[list[str], str], tuple[list[str], str]]


def rewrite(text: str, kernel: str, qualify: Qualify) -> str:
    """Qualifies the parameters of each kernel, and puts each on a line of its own.

    kernel: pattern of a definition, with groups for its head, parameters and body.
    """

    def signature(match: re.Match[str]) -> str:
        head, parameters, body = match.groups()
        qualified, body = qualify(parameters.split(", "), body)
        return f"{head}(\n    " + ",\n    ".join(qualified) + f")\n{{{body}"

    return re.sub(kernel, signature, text, flags=re.M | re.S)
