"""What packed forms of weight rows would save of a network's flash, in int8 and int16.

    python -m benchmarks.weight_forms [NETWORK ...] [--json]

NETWORK: files, by default the bundled networks. Of the dense weights, which are nearly all of the flash:

short codes   as few bits per weight as its table has values, and a codebook per table
codes of rows the same, with a codebook per row of a sending neuron
bitmap        a bit per weight, and those that are not 0
entropy       what no code of single weights can go below; it needs no codebook here

A saving is the share of the bytes of all dense weights; a table that a form makes larger stays as it is.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from delrec_compile.aliases import Ints
from delrec_compile.bundled import NETWORKS
from delrec_compile.errors import DelrecError
from delrec_compile.evaluation.markdown import table
from delrec_compile.network import checkpoint
from delrec_compile.network.integer.linear import IntegerDense
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.quantise import quantise

SCHEMA = "delrec.weight_forms/1"
MODES = ("int8", "int16")
WORTH = 0.15  # of the flash: less is no feature
BOUND = "entropy"


def short_codes(rows: Ints) -> float:
    """Bytes with codes of one length and a codebook. rows: one per sending neuron."""
    values = len(np.unique(rows))
    return rows.size * math.ceil(math.log2(max(values, 2))) / 8 + values * rows.itemsize


def codes_of_rows(rows: Ints) -> float:
    """The same with a codebook per row, all codes as long as the longest, and a row's start."""
    values = [len(np.unique(row)) for row in rows]
    bits = math.ceil(math.log2(max(2, *values)))
    return rows.size * bits / 8 + sum(values) * rows.itemsize + 2 * len(rows)


def bitmap(rows: Ints) -> float:
    """Bytes with a bit per weight and the weights that are not 0."""
    return rows.size / 8 + np.count_nonzero(rows) * rows.itemsize


def entropy(rows: Ints) -> float:
    """Bytes of an ideal code of single weights."""
    _, counts = np.unique(rows, return_counts=True)
    share = counts / rows.size
    return float(-(share * np.log2(share)).sum()) * rows.size / 8


FORMS: dict[str, Callable[[Ints], float]] = {
    "short codes": short_codes,
    "codes of rows": codes_of_rows,
    "bitmap": bitmap,
    BOUND: entropy,
}


def tables(network: IntegerNetwork) -> Iterator[Ints]:
    """The dense weights, a row per sending neuron."""
    for p in network.populations:
        for each in p.projections:
            if isinstance(each.synapses, IntegerDense):
                yield from (matrix.T for matrix in each.synapses.matrices)


def savings(network: IntegerNetwork) -> dict[str, float]:
    """By form, the share of the weights' bytes that it saves."""
    found = list(tables(network))
    whole = sum(rows.nbytes for rows in found)
    return {
        name: 1 - sum(min(form(rows), rows.nbytes) for rows in found) / max(whole, 1)
        for name, form in FORMS.items()
    }


def measured(source: str) -> list[dict[str, Any]]:
    """A row per integer mode. best: the most that a form saves; worth: whether that is WORTH."""
    out = []
    for mode in MODES:
        network = quantise(checkpoint.load(source), mode)
        found = savings(network)
        best = max(saved for name, saved in found.items() if name != BOUND)
        size = sum(rows.nbytes for rows in tables(network))
        row = {"network": network.name, "numeric": mode, "bytes": size, "savings": found}
        out.append({**row, "best": best, "worth": best >= WORTH})
    return out


def markdown(rows: list[dict[str, Any]]) -> str:
    head = ["network", "numeric", "bytes", *FORMS]
    cells = [
        [r["network"], r["numeric"], f"{r['bytes']:,}"]
        + [f"{saved:.1%}" for saved in r["savings"].values()]
        for r in rows
    ]
    return "\n".join(table(head, cells))


def main(argv: list[str] | None = None) -> int:
    """Prints the table and what follows from it, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.weight_forms")
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    try:
        rows = [row for source in options.networks for row in measured(source)]
    except DelrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        print(json.dumps({"schema": SCHEMA, "rows": rows}, indent=1))
        return 0
    print(markdown(rows))
    worth = [f"{r['network']} in {r['numeric']}" for r in rows if r["worth"]]
    print(
        f"worth a packed form ({WORTH:.0%} or more): {', '.join(worth)}"
        if worth
        else f"no form saves {WORTH:.0%} of the weights of any of these networks; what would: int8 in "
        "place of int16, fewer neurons, or training for few values or for zeros"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
