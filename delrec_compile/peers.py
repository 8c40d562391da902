"""What the compiled step is measured against: the same network in other engines, step by step.

Every peer computes the same outputs; `bench` checks that before it times one.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from delrec_compile import integer_file
from delrec_compile.assemble import likewise
from delrec_compile.build import Artifact
from delrec_compile.export import export
from delrec_compile.network import ConvDelay, DenseDelay, Layer, Network
from delrec_compile.quantise import quantise
from delrec_compile.run import onnx_session
from delrec_compile.session import Session
from delrec_compile.step import Step

F32 = NDArray[np.float32]


class Peer(Protocol):
    """An engine at batch 1. `word(x)` runs x (T, inputs) from a fresh state, returns (T, outputs)."""

    name: str

    def word(self, x: F32) -> F32: ...


class Ours:
    """The compiled step inside its native loop over time."""

    name = "ours"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.whole = session.artifact.integer

    def word(self, x: F32) -> F32:
        self.session.reset()
        y = np.empty((len(x), self.session.y.shape[1]), np.float32)
        self.session.run_in_place(np.ascontiguousarray(x, self.session.x.dtype), y)
        return y


class OursInt8(Ours):
    """The same network in int8, compiled now as the artifact was."""

    name = "ours_int8"

    def __init__(self, session: Session, network: Network) -> None:
        whole = quantise(network, "int8")
        with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
            root = Path(folder)
            integer_file.save(whole, root / integer_file.NAME)
            manifest = likewise(root, whole, session.artifact.manifest)
            super().__init__(Session(Artifact(root, manifest)))


class OursPython:
    """The compiled step, one call from Python per step, on bound arrays."""

    name = "ours_python"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.whole = session.artifact.integer
        self.x = self.y = np.empty((0, 0, 0), np.float32)
        self.steps: list[Callable[[], int]] = []

    def word(self, x: F32) -> F32:
        per_call = len(self.session.x)
        calls = len(x) // per_call
        if self.x.shape[0] != calls:
            self.x = np.empty((calls, *self.session.x.shape), self.session.x.dtype)
            self.y = np.empty((calls, *self.session.y.shape), np.float32)
            self.steps = self.session.bind(self.x, self.y)
        self.x[:] = x[: calls * per_call].reshape(self.x.shape)
        self.session.reset()
        for step in self.steps:
            step()
        return self.y.reshape(-1, self.y.shape[2])


class TorchEager:
    """The frozen network in eager PyTorch."""

    name = "torch_eager"

    def __init__(self, network: Network) -> None:
        self.step = Step(network)

    @torch.inference_mode()
    def word(self, x: F32) -> F32:
        state, ys = self.step.reset(), []
        for row in torch.from_numpy(x)[:, None]:
            y, *state = self.step(row, *state)
            ys.append(y)
        return torch.cat(ys).numpy()


class Authors:
    """The training form, as published: spread spikes, mixed slot by slot into a ring of currents.

    Linear and BatchNorm stand apart as in training; the spread is at its end, one slot wide.
    Source: DelRec (arXiv 2509.24852) and conv-DelRec (arXiv 2604.15997). An own re-implementation.
    """

    def __init__(self, network: Network, name: str) -> None:
        self.name = name
        self.network = network
        pairs = [(layer.weight, layer.bias) for layer in network.layers]
        self.linears = [_linear(w, b) for w, b in pairs]
        self.norms = [nn.BatchNorm1d(len(b), eps=0.0).eval() for _, b in pairs]
        self.masks = [_spread(layer) for layer in network.layers]
        self.weights = [
            torch.from_numpy(next(iter(r.weights.values()))) if (r := layer.recurrence) else None
            for layer in network.layers
        ]
        self.out = _linear(network.readout.weight, network.readout.bias)

    @torch.inference_mode()
    def word(self, x: F32) -> F32:
        v = [torch.zeros(1, layer.size) for layer in self.network.layers]
        rings = [torch.zeros(1, *m.shape) if m is not None else None for m in self.masks]
        at = [0] * len(v)
        y, ys = torch.zeros(1, self.network.outputs), []
        for row in torch.from_numpy(x)[:, None]:
            z = row
            for i, layer in enumerate(self.network.layers):
                current = self.norms[i](self.linears[i](z))
                ring = rings[i]
                if ring is not None:
                    current = current + ring[:, :, at[i]]
                m = v[i] * layer.lif.beta + current
                z = (m >= layer.lif.threshold).float()
                v[i] = m * (1 - z) + layer.lif.v_reset * z
                if ring is not None:
                    at[i] = self._send(i, z, ring, at[i])
            y = y * self.network.readout.beta + self.out(z)
            ys.append(y)
        return torch.cat(ys).numpy()

    def _send(self, i: int, spikes: Tensor, ring: Tensor, at: int) -> int:
        """Mixes the spread spikes of this step into the ring; returns the next slot."""
        mask, weight = self.masks[i], self.weights[i]
        assert mask is not None
        assert weight is not None
        n, slots = mask.shape
        spread = spikes[:, :, None] * mask
        if weight.ndim == 2:
            future = weight @ spread
        else:
            rows = spread.permute(0, 2, 1).reshape(slots, 1, n)
            mixed = functional.conv1d(rows, weight[None, None], padding=len(weight) // 2)
            future = mixed.view(1, slots, n).permute(0, 2, 1)
        ring[:, :, at] = 0
        following = (at + 1) % slots
        until_end = min(slots - 1, slots - following)
        ring[:, :, following : following + until_end] += future[:, :, 1 : 1 + until_end]
        if slots - 1 > until_end:
            ring[:, :, : slots - 1 - until_end] += future[:, :, 1 + until_end :]
        return following


class OnnxRuntime:
    """The portable step in ONNX Runtime with IO binding: state stays in two buffers, swapped."""

    name = "onnxruntime"

    def __init__(self, network: Network) -> None:
        import onnxruntime

        self.session = onnx_session(export(network).SerializeToString())
        value = onnxruntime.OrtValue.ortvalue_from_numpy
        self.x = value(np.zeros((1, network.inputs), np.float32))
        self.y = value(np.zeros((1, network.outputs), np.float32))
        shapes = {s.name: (1, *s.shape) for s in network.state()}
        self.states = [
            {n: value(np.zeros(shape, np.float32)) for n, shape in shapes.items()} for _ in range(2)
        ]
        self.bindings = [self._bind(*self.states), self._bind(*self.states[::-1])]

    def _bind(self, past: dict[str, Any], present: dict[str, Any]) -> Any:
        binding = self.session.io_binding()
        binding.bind_ortvalue_input("x", self.x)
        binding.bind_ortvalue_output("y", self.y)
        for n in past:
            binding.bind_ortvalue_input(f"past_{n}", past[n])
            binding.bind_ortvalue_output(f"present_{n}", present[n])
        return binding

    def word(self, x: F32) -> F32:
        for value in self.states[0].values():
            value.update_inplace(np.zeros(value.shape(), np.float32))
        ys = np.empty((len(x), self.y.shape()[1]), np.float32)
        run = self.session.run_with_iobinding
        for t in range(len(x)):
            self.x.update_inplace(x[t : t + 1])
            run(self.bindings[t % 2])
            ys[t] = self.y.numpy()[0]
        return ys


class TvmDefault:
    """The portable step through TVM's own default pipeline and its virtual machine."""

    name = "tvm_default"

    def __init__(self, network: Network) -> None:
        import tvm
        from tvm import relax
        from tvm.relax.frontend.onnx import from_onnx

        model = export(network)
        shapes = {
            v.name: [1, *(d.dim_value for d in v.type.tensor_type.shape.dim[1:])]
            for v in model.graph.input
        }
        module = from_onnx(model, shape_dict=shapes, keep_params_in_input=False)
        cpu = str(tvm.target.codegen.llvm_get_system_cpu())
        built = tvm.compile(module, target=tvm.target.Target({"kind": "llvm", "mcpu": cpu}))
        self.vm = relax.VirtualMachine(built, tvm.cpu())["main"]
        self.tensor: Callable[[F32], Any] = tvm.runtime.tensor
        self.fresh = [np.zeros(shapes[f"past_{s.name}"], np.float32) for s in network.state()]

    def word(self, x: F32) -> F32:
        state = [self.tensor(s) for s in self.fresh]
        rows = [self.tensor(row) for row in x[:, None]]
        ys = []
        for row in rows:
            y, *state = self.vm(row, *state)
            ys.append(y)
        return np.concatenate([y.numpy() for y in ys])


def twin(network: Network, kind: str) -> Network:
    """The network with the other recurrence on the same delays, to time the authors' two forms.

    Its accuracy means nothing; its cost is that of the real one.
    """
    r = np.random.default_rng(0)
    layers = []
    for layer in network.layers:
        old = layer.recurrence
        new = old
        if old is not None and old.kind != kind:
            n = old.size
            if kind == "conv_delay":
                new = ConvDelay(np.array([0.5, -0.25, 0.5], np.float32), old.delay)
            else:
                weight = r.integers(-8, 9, (n, n)) / 256.0
                new = DenseDelay(weight.astype(np.float32), old.delay)
        layers.append(Layer(layer.weight, layer.bias, layer.lif, new))
    return Network(tuple(layers), network.readout, network.dt_ms, network.max_input)


def _linear(weight: F32, bias: F32) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.data = torch.from_numpy(np.array(weight))
    linear.bias.data = torch.from_numpy(np.array(bias))
    return linear.requires_grad_(False)


def _spread(layer: Layer) -> Tensor | None:
    """(N, slots): how much of a spike arrives how many steps later; sigma = 0."""
    if layer.recurrence is None:
        return None
    delay = torch.from_numpy(layer.recurrence.delay.astype(np.float32))
    slots = math.ceil(2 + float(delay.max())) + 1
    arrival = torch.arange(slots)[None] - (1 + delay)[:, None]
    return (1 - arrival.abs()).clamp_min(0)
