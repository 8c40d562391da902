"""The result of an import as lines."""

from __future__ import annotations

from typing import Any

from delrec_compile.cli.terminal import show


def show_import(result: dict[str, Any]) -> None:
    """Prints the network, its check and its grid. result: the fields of `import --json`."""
    sizes = [
        f"{size} ({name})" if name else str(size)
        for size, name in zip(result["layers"], result["recurrences"], strict=True)
    ]
    if populations := result["populations"]:  # a graph, in which those that fire come first
        named = zip(populations, sizes, strict=False)
        sizes = [", ".join(f"{name} {size}" for name, size in named)]
    chain = " -> ".join([str(result["inputs"]), *sizes, str(result["outputs"])])
    show(f"{result['path']}: from {result['source']}: {chain}, step of {result['dt_ms']:g} ms")
    if result["input_bits"] is not None:
        from delrec_compile.ops.real_input import input_text

        show(f"inputs: {input_text(result)}")
    for remark in result["remarks"]:
        show(f"note: {remark}")
    check = result["check"]
    if check:
        _print_check(check)
    if result["wide_layers"]:
        _print_grid(result)
    silent = check is not None and not check["spikes"]
    if result["accuracy"] is not None and not silent:
        show(f"accuracy {result['accuracy']:.1%}")


def _print_check(check: dict[str, Any]) -> None:
    from delrec_compile.runners.firing import silence

    firing, names = check["firing"], check["layers"]
    what = "random inputs" if check["random"] else "samples"
    show(
        f"{check['differing']:,} of {check['compared']:,} spikes differ from {check['against']} "
        f"over {check['steps']} steps of {check['sequences']} {what}, "
        f"{check['density']:.1%} of the inputs active; it fired {check['spikes']:,}"
    )
    each = [f"{_name(names, i)} {rate:.2%}" for i, rate in enumerate(firing["rates"])]
    show(f"neurons that fire in a step: {', '.join(each)}")
    if check["differing_before_freezing"] is not None and check["differing"]:
        show(
            f"note: {check['differing_before_freezing']:,} differ before its weights go onto the "
            "grid of exact sums; a smaller --max-input gives a finer grid"
        )
    if firing["silent"]:
        show("note: it never fired on this input, so the comparison proves nothing")
    elif line := silence([i for i, n in enumerate(firing["fired"]) if not n], names):
        show(f"warning: {line}")


def _print_grid(result: dict[str, Any]) -> None:
    """The layers on a fine grid, what that keeps, and what it costs."""
    check, wide = result["check"], result["row_bytes"]
    lost = check and check["differing_on_int16"]
    why = f"{lost:,} differ with weights of 16 bits, so " if lost else ""
    own = dict(enumerate(result["populations"]))
    names = [f"{own.get(i, f'layer {i}')} (2^-{result['grids'][i]})" for i in result["wide_layers"]]
    narrow = result["row_bytes_int16"]
    show(
        f"note: {why}the grid of {', '.join(names)} is fine; as integers, all weights take {wide:,} "
        f"bytes in place of {narrow:,} ({wide / narrow:.2f} times); --grid int16 keeps them at 16 bits"
    )


def _name(names: list[str], i: int) -> str:
    return names[i] if i < len(names) else f"layer {i}"
