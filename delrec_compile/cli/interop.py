"""The commands between this project's networks and other frameworks: import, and export --form nir."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from delrec_compile.cli.options import Force, Json, Limit
from delrec_compile.cli.terminal import print_json, saying, show, show_next

BATCH = 4


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A .nir file, a .pth checkpoint of the DelRec or conv_delays code, or "
            "module:function that returns a model of SpikingJelly, snnTorch or Norse, or a NIR "
            "graph: its code is run, so name only code that you trust.",
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file.")],
    dt_ms: Annotated[
        float | None, typer.Option("--dt-ms", help="Length of a step in ms, where none is told.")
    ] = None,
    max_input: Annotated[
        int | None, typer.Option(help="Largest input count; 1 for spikes [31].")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option(help="Of a convolutional model's input, such as 2x34x34.")
    ] = None,
    whole: Annotated[
        bool | None,
        typer.Option(
            "--whole", help="snnTorch: the model loops over (steps, batch, inputs) itself."
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="NIR: how dv/dt becomes a step: euler, exact [euler].")
    ] = None,
    loop_step: Annotated[
        bool | None,
        typer.Option(
            "--loop-step/--no-loop-step", help="NIR: whether a cycle takes a step beside its Delay."
        ),
    ] = None,
    round_delays: Annotated[
        bool | None, typer.Option("--round-delays", help="NIR: round delays to whole steps.")
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Checkpoints: spread of delays to keep, 0 to 1 [0].")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Checkpoints: whose neurons: shd, ssc [by BatchNorm].")
    ] = None,
    tau: Annotated[
        float | None, typer.Option(help="Checkpoints: of the neurons, in steps.")
    ] = None,
    reset: Annotated[str | None, typer.Option(help="Checkpoints: hard, soft, soft_later.")] = None,
    gain: Annotated[
        str | None, typer.Option(help="Checkpoints: of the current: one, leak (1 - beta).")
    ] = None,
    check: Annotated[
        int, typer.Option(min=0, help="Steps to compare with the model itself; 0: none.")
    ] = 200,
    samples: Annotated[
        str | None,
        typer.Option("--input", "-i", help="Measure accuracy on samples: .h5, .npz, or 'samples'."),
    ] = None,
    limit: Limit = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a network of another framework's model, and compare their spikes."""
    from delrec_compile.errors import CheckpointError, UsageError
    from delrec_compile.interop.source import import_model
    from delrec_compile.network import checkpoint
    from delrec_compile.system.files import check_writable

    if out.suffix != ".safetensors":
        raise UsageError(f"-o {out}: a name that ends in .safetensors is needed")
    if out.exists() and not force:
        raise CheckpointError(f"{out} exists; add --force to replace it")
    check_writable(out)
    with saying() as say:
        say(f"importing {source}")
        made = import_model(
            source,
            dt_ms=dt_ms,
            max_input=max_input,
            input_shape=_shape(input_shape),
            whole=whole,
            method=method,
            loop_step=loop_step,
            round_delays=round_delays,
            sigma=sigma,
            recipe=recipe,
            tau=tau,
            reset=reset,
            gain=gain,
        )
        found, unfrozen = None, None
        if check:
            say(f"comparing spikes over {check} steps")
            found = made.check(check, BATCH)
            if found.differing and made.model is not None:
                before = made.check(check, BATCH, frozen=False)
                _same_model(source, before)
                unfrozen = before.differing
        accuracy = _accuracy(made.network, samples, limit) if samples else None
    checkpoint.save(made.network, out)
    n = made.network
    facts: dict[str, Any] = {
        "path": str(out),
        "source": made.source,
        "layers": [layer.size for layer in n.layers],
        "inputs": n.inputs,
        "outputs": n.outputs,
        "recurrences": [r.recurrence.name if r.recurrence else None for r in n.layers],
        "dt_ms": n.dt_ms,
        "remarks": list(made.remarks),
        "check": found.as_dict() | {"differing_before_freezing": unfrozen} if found else None,
        "accuracy": accuracy,
    }
    if as_json:
        print_json("import", **facts)
        return
    _tell(facts)
    show_next(f"delrec-compile build {out}")


def export_nir(network: Any, out: Path, force: bool, as_json: bool) -> None:
    """Writes a NIR graph and says what is in it."""
    from delrec_compile.interop.nir.writer import export_nir as write

    with saying() as say:
        say("writing a NIR graph and reading it back")
        graph = write(network, out, force=force)
    facts: dict[str, Any] = {
        "path": str(out),
        "form": "nir",
        "nodes": len(graph.nodes),
        "edges": len(graph.edges),
        "bytes": out.stat().st_size,
    }
    if as_json:
        print_json("export", **facts)
        return
    show(f"{out}: {facts['nodes']} nodes, {facts['edges']} edges, {facts['bytes']:,} bytes, NIR")
    show_next(f"delrec-compile import {out} -o again.safetensors")


def _tell(facts: dict[str, Any]) -> None:
    sizes = [
        f"{size} ({name})" if name else str(size)
        for size, name in zip(facts["layers"], facts["recurrences"], strict=True)
    ]
    chain = " -> ".join([str(facts["inputs"]), *sizes, str(facts["outputs"])])
    show(f"{facts['path']}: from {facts['source']}: {chain}, step of {facts['dt_ms']:g} ms")
    for remark in facts["remarks"]:
        show(f"note: {remark}")
    if found := facts["check"]:
        show(
            f"{found['differing']:,} of {found['compared']:,} spikes differ from {found['against']} "
            f"over {found['steps']} steps of {found['sequences']} random inputs; it fired "
            f"{found['spikes']:,}"
        )
        if found["differing_before_freezing"] is not None:
            show(
                f"note: {found['differing_before_freezing']:,} differ before its weights go onto the "
                "grid of exact sums; a smaller --max-input gives a finer grid"
            )
        if not found["spikes"]:
            show("note: it never fired on this input, so the comparison says little")
    if facts["accuracy"] is not None:
        show(f"accuracy {facts['accuracy']:.1%}")


def _same_model(source: str, found: Any) -> None:
    """Raises ParityError where more than rounding makes the spikes differ."""
    from delrec_compile.errors import ParityError

    if found.misread:
        at = found.first
        raise ParityError(
            f"{source}: the network does not fire as {found.against} does: first at step "
            f"{at.step}, spiking layer {at.layer}, neuron {at.neuron}, where its membrane is "
            f"{found.margin:.1%} off the threshold, too far for rounding; the model does what its "
            "modules do not tell, or takes its steps in another way. Nothing was written; --check 0 "
            "writes it all the same"
        )


def _accuracy(network: Any, samples: str, limit: int | None) -> float:
    from delrec_compile.data.samples import fitting, read_samples
    from delrec_compile.network.classify import accuracy

    heard = fitting(read_samples(samples), network.inputs)
    return accuracy(network, heard.counts[:limit], heard.labels[:limit])


def _shape(text: str | None) -> tuple[int, ...] | None:
    from delrec_compile.errors import UsageError

    if text is None:
        return None
    try:
        shape = tuple(int(n) for n in text.split("x"))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UsageError(
            f"--input-shape {text}: whole numbers with x between them, such as 2x34x34"
        )
    return shape
