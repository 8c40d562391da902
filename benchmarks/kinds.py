"""A page per kind of network: its equation, its ONNX step as a picture, and its cost.

    python -m benchmarks.kinds [KIND ...]     writes docs/kinds/ and benchmarks/results/kinds.json

Of named kinds alone, the others keep the figures that they have.

All networks have 140 inputs, 256 feed-forward neurons, 256 neurons of the kind, and 20 outputs; random
weights, biases shifted until the hidden layers fire at 10 %.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.networks import (
    BETA,
    Size,
    calibrate,
    poisson_samples,
    random_network,
    uncalibrated,
)
from delrec_compile.compiler.build import build
from delrec_compile.data.events import save_samples
from delrec_compile.errors import DelrecError
from delrec_compile.evaluation.latency.bench import ONE_THREAD, bench
from delrec_compile.network.grid import snap
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Layer,
    Lif,
    Maps,
    Network,
    Synapses,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.summary import inspect
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.system.files import write_atomic
from delrec_compile.system.host import machine

ROOT = Path(__file__).parent.parent
PAGES, RESULTS = ROOT / "docs" / "kinds", ROOT / "benchmarks" / "results" / "kinds.json"
SCHEMA = "delrec.kinds/1"
N, LONGEST, RATE = 256, 31, 0.1
COMMAND = "python -m benchmarks.kinds"
ROWS = ("ours", "ours_int8", "onnxruntime")
SAMPLES, STEPS = 15, 80
Generator = np.random.Generator


@dataclass(frozen=True)
class Kind:
    """equation: plain text. train: options of `train`, if it trains the kind. draw: makes the
    recurrence of a network.
    """

    title: str
    equation: str
    train: str
    draw: Callable[[Generator], Synapses | None]
    maps: Maps | None = None


def _delays(r: Generator, *shape: int) -> Any:
    return r.integers(0, LONGEST + 1, shape)


def _normal(r: Generator, *shape: int) -> Any:
    return r.normal(size=shape) * 0.3


KINDS = {
    "feed_forward": Kind("Feed-forward", "I = W x + b", "--recurrence none", lambda _: None),
    "conv_delay": Kind(
        "conv_delay: one kernel, a delay for each neuron",
        "I[i](t) = (W x(t) + b)[i] + sum_k K[k] * S[j](t - 1 - d[j]),   j = i + k - pad",
        "--recurrence conv",
        lambda r: ConvDelay(_normal(r, 3), _delays(r, N)),
    ),
    "conv_delay_heads": Kind(
        "conv_delay with several heads",
        "I[i](t) = (W x(t) + b)[i] + sum_m sum_k K[m, k] * S[j](t - 1 - d[m, j]),   j = i + k - pad",
        "--recurrence conv --kernel 5 --set heads=4",
        lambda r: ConvDelay(_normal(r, 4, 5), _delays(r, 4, N)),
    ),
    "dense_delay": Kind(
        "dense_delay: a matrix, a delay for each neuron (DelRec)",
        "I[i](t) = (W x(t) + b)[i] + sum_j R[i, j] * S[j](t - 1 - d[j])",
        "--recurrence dense",
        lambda r: DenseDelay(_normal(r, N, N) / 4, _delays(r, N)),
    ),
    "synaptic_delay": Kind(
        "synaptic_delay: a delay for each weight",
        "I[i](t) = (W x(t) + b)[i] + sum_j R[i, j] * S[j](t - 1 - d[i, j])",
        "--recurrence synaptic",
        lambda r: SynapticDelay(_normal(r, N, N) / 4, _delays(r, N, N)),
    ),
    "tap_conv_delay": Kind(
        "tap_conv_delay: delays that all neurons share, a kernel for each",
        "I[c, x](t) = (W x(t) + b)[c, x] + sum_d sum_k K[d, c, k] * S[c, x + k - pad](t - 1 - delay[d])",
        "--recurrence tap_conv --set channels=4 --set taps=4",
        lambda r: TapConvDelay(_normal(r, 4, 4, 3), [0, 7, 19, LONGEST], N // 4),  # type: ignore[arg-type]
    ),
    "conv2d_delay": Kind(
        "conv2d_delay: a convolution over maps for each of the last steps",
        "I(t) = W x(t) + b + sum_{d = 1 .. D} conv2d(S(t - d), K[d])",
        "--recurrence conv2d --set channels=4 --set height=8 --set taps=3",
        lambda r: Conv2dDelay(_normal(r, 3, 4, 4, 3, 3) / 3, 8, 8),
    ),
    "channel_conv_delay": Kind(
        "channel_conv_delay: kernels between channels, a delay for each neuron",
        "I[o, x](t) = (W x(t) + b)[o, x] + sum_c sum_k K[o, c, k] * S[j](t - 1 - d[j]),\n"
        "j = c, x + k - pad",
        "--recurrence channel_conv --set channels=4",
        lambda r: ChannelConvDelay(_normal(r, 4, 4, 3), _delays(r, N)),
    ),
    "conv": Kind(
        "conv: one kernel, no delays",
        "I[i](t) = (W x(t) + b)[i] + sum_k K[k] * S[i + k - pad](t - 1)",
        "--recurrence conv --max-delay 0",
        lambda r: ConvDelay(_normal(r, 3), np.zeros(N, np.int32)),
    ),
    "dense": Kind(
        "dense: a matrix, no delays",
        "I(t) = W x(t) + b + R S(t - 1)",
        "--recurrence dense --max-delay 0",
        lambda r: DenseDelay(_normal(r, N, N) / 4, np.zeros(N, np.int32)),
    ),
    "frontend": Kind(
        "A convolutional layer in place of the product",
        "I[o, x](t) = b[o] + sum_c sum_k W[o, c, k] * x[c, x * stride + k - pad](t)",
        "--recurrence conv --set frontend=8x5/2",
        lambda r: ConvDelay(_normal(r, 3), _delays(r, N)),
        Maps(1, 1, 140, (8, 1, 1, 5), (1, 2), (0, 2)),
    ),
}


@cache
def network(name: str) -> Network:
    """The network of a kind, snapped; it fires at RATE."""
    return snap(calibrate(_of_kind(name, random_network(Size(rate=RATE))), RATE))


def structure(name: str) -> Network:
    """The same network with biases and weights as they were drawn: for its shapes and its graph."""
    return _of_kind(name, uncalibrated(Size(rate=RATE)))


def _of_kind(name: str, base: Network) -> Network:
    kind, r = KINDS[name], np.random.default_rng(7)
    first, second = base.layers
    if kind.maps is not None:
        first = Layer(
            _normal(r, *kind.maps.kernel), np.zeros(8, np.float32), Lif(BETA), None, kind.maps
        )
        second = replace(second, weight=_normal(r, N, first.size))
    layers = (first, replace(second, recurrence=kind.draw(r)))
    return replace(base, layers=layers, name=f"{name}_{N}")


def picture(network: Network) -> str:
    """The semantic ONNX step as a Mermaid graph: operators, state in and out."""
    graph = export(network, form="semantic").graph
    constants = {t.name for t in graph.initializer}
    names = {o: n for n in graph.node if n.op_type == "Identity" for o in n.output}
    lines, source_of = ["flowchart LR"], {}
    for v in graph.input:
        source_of[v.name] = v.name
        lines.append(f'    {v.name}(["{v.name} {_shape(v)}"])')
    for i, node in enumerate(n for n in graph.node if n.op_type != "Identity"):
        tables = [x for x in node.input if x in constants]
        label = "<br>".join([node.op_type, ", ".join(tables)] if tables else [node.op_type])
        lines.append(f'    n{i}["{label}"]')
        lines += [f"    {source_of[x]} --> n{i}" for x in node.input if x not in constants]
        source_of |= dict.fromkeys(node.output, f"n{i}")
    for v in graph.output:
        source = names[v.name].input[0] if v.name in names else v.name
        lines += [f'    out_{v.name}(["{v.name}"])', f"    {source_of[source]} --> out_{v.name}"]
    return "\n".join(lines)


def _shape(value: onnx.ValueInfoProto) -> str:
    return "x".join(str(d.dim_value) for d in value.type.tensor_type.shape.dim[1:])


def measured(name: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Parameters, state and time of the network of a kind."""
    net = network(name)
    samples = folder / "samples.npz"
    if not samples.exists():
        save_samples(samples, poisson_samples(SAMPLES, STEPS, net.inputs))
    artifact = build(net, out=folder / name)
    result = bench(artifact.path, str(samples), rows=ROWS, rounds=rounds).as_dict()
    summary = inspect(net)
    times = {r["name"]: r["us_per_step"] for r in result["rows"]}
    return {
        "parameters": summary["parameters"],
        "recurrent_parameters": summary["recurrent_parameters"],
        "state_bytes": summary["state_bytes"],
        "nodes": len(export(net).graph.node),
        "hidden_rate": result["workload"]["hidden_rate"],
        "us_per_step": times,
    }


def page(name: str, cost: dict[str, Any]) -> str:
    """Markdown of a kind."""
    kind, us = KINDS[name], cost["us_per_step"]
    int8 = f"{us['ours_int8']:.2f} us" if us["ours_int8"] else "yes, not timed"
    train = f"delrec-compile train digits/ {kind.train} -o {name}.safetensors"
    command = f"```sh\n{train}\n```\n\n" if kind.train else ""
    theirs = f"{us['onnxruntime']:.1f} us per step, {us['onnxruntime'] / us['ours']:.0f}x"
    return f"""# {kind.title}

```
{kind.equation}
```

then the [neuron](../networks.md#neurons). Terms and options: [networks.md](../networks.md).

{command}## One step as ONNX

`delrec-compile export {name}.safetensors --form semantic`: each `ai.delrec` operator carries its
own ONNX function; the portable form has {cost["nodes"]} nodes of plain operators.

```mermaid
{picture(structure(name))}
```

## Cost

140 inputs, {N} neurons, {N} of this kind, 20 outputs; {cost["hidden_rate"]:.0%} of the hidden
neurons fire. Made by `{COMMAND}`.

| | |
|---|---|
| parameters | {cost["parameters"]:,} |
| of them recurrent | {cost["recurrent_parameters"]:,} |
| state of a stream, in ONNX | {cost["state_bytes"]["onnx"]:,} bytes |
| state of a stream, compiled | {cost["state_bytes"]["artifact"]:,} bytes |
| compiled for x86_64, float32 | {us["ours"]:.2f} us per step |
| compiled for x86_64, int8 | {int8} |
| ONNX Runtime, fastest form | {theirs} |
"""


def index(costs: dict[str, dict[str, Any]]) -> str:
    """Markdown of all kinds."""
    lines = [
        "# Kinds of networks",
        "",
        f"A page for each, made by `{COMMAND}`: equation, ONNX picture, cost.",
        "",
        "| kind | recurrent parameters | state, compiled | us per step | times ONNX Runtime |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, c in costs.items():
        us, state = c["us_per_step"], c["state_bytes"]["artifact"]
        lines.append(
            f"| [{name}]({name}.md) | {c['recurrent_parameters']:,} | {state:,} B "
            f"| {us['ours']:.2f} | {us['onnxruntime'] / us['ours']:.0f}x |"
        )
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None, rounds: int = 15) -> int:
    """Measures the kinds that are named, or all; returns the exit code."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    named = parser.parse_args(argv).kinds
    if unknown := set(named) - set(KINDS):
        parser.error(f"unknown kind '{unknown.pop()}'; allowed: {', '.join(KINDS)}")
    os.environ.update(ONE_THREAD)
    costs: dict[str, Any] = json.loads(RESULTS.read_bytes())["kinds"] if named else {}
    try:
        with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
            for name in named or KINDS:
                print(name, file=sys.stderr)
                costs[name] = measured(name, Path(folder), rounds)
    except DelrecError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    PAGES.mkdir(parents=True, exist_ok=True)
    results = {"schema": SCHEMA, "machine": machine(), "rounds": rounds, "kinds": costs}
    write_atomic(RESULTS, (json.dumps(results, indent=1) + "\n").encode())
    write_pages(costs)
    return 0


def write_pages(costs: dict[str, dict[str, Any]]) -> None:
    """The pages, from measured costs."""
    for name, cost in costs.items():
        write_atomic(PAGES / f"{name}.md", page(name, cost).encode())
    write_atomic(PAGES / "README.md", index(costs).encode())


if __name__ == "__main__":
    sys.exit(main())
