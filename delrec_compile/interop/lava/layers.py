"""The layers of a Lava description as parts of a chain.

Each layer is weights and neurons. Shapes are channels, rows, columns; a convolution is PyTorch's, for
Lava turns its kernels around twice. `delay` belongs to the values that a layer sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import CheckpointError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.lava.entries import Entries, Shape
from delrec_compile.interop.linear_parts import LinearPart
from delrec_compile.interop.parts import Delays, Neurons, named, neuron_of
from delrec_compile.interop.planned import Refusals
from delrec_compile.network.onnx_step.file import one_line
from delrec_compile.network.tensor_file import DAMAGE
from delrec_compile.ops.loihi import Loihi
from delrec_compile.ops.readout import pooled

NEURONS = {
    "CUBA": "`loihi`",
    "LOIHI": "`loihi`",
}
OTHER_NEURONS = {
    "SDNN": "sigma-delta neurons send differences with a size, no spikes",
    "RF": "resonate-and-fire neurons have a complex state",
    "RF_PHASE": "resonate-and-fire neurons have a complex state",
    "RF_IZ": "resonate-and-fire neurons have a complex state",
    "ALIF": "networks have no adaptive neurons in whole numbers",
    "ADRF": "networks have no adaptive neurons in whole numbers",
    "ADRF_IZ": "networks have no adaptive neurons in whole numbers",
}
LAYERS = {
    "input": "the input; without neurons of its own",
    "dense": "weights, and neurons",
    "conv": "a convolution, and neurons",
    "pool": "a convolution of each channel with itself, and neurons",
    "flatten": "nothing",
    "average": "a readout, the mean of each class's group of neurons; as the last layer",
}
OTHER_LAYERS = {
    "concat": "no loader of Lava reads it, so the order of its values is not defined",
    "convT": "networks have no transposed convolution",
    "unpool": "networks have no transposed convolution",
    "recurrent": "lava-dl exports no recurrent weights in a defined way",
    "dense_comp": "its weights are complex numbers",
}
LOWEST, HIGHEST = -256, 255  # of weights; Lava clips others


class LayerReader:
    """Reads layers in order. refusals: where to note refused ones; None: the first is raised."""

    def __init__(self, layers: Mapping[str, Any], refusals: Refusals | None = None) -> None:
        self.refusals = refusals
        self.layers = [Entries(f"layer.{k}", _at(layers, k)) for k in range(len(layers))]
        if not self.layers:
            raise CheckpointError("the description has no layers")
        self.chain = Chain(0)
        self.shape: Shape = ()
        self.done = False

    def read(self) -> Chain:
        """The chain. Raises CheckpointError, UnsupportedError by the layer's name."""
        for layer in self.layers:
            with self._noting(layer.name):
                kind = layer.text("type")
                if self.done:
                    raise UnsupportedError(f"{layer.name}: a layer behind an average")
                if kind not in LAYERS:
                    why = OTHER_LAYERS.get(kind, f"a layer of type '{kind}' is not known")
                    raise UnsupportedError(f"{layer.name}: {why}; allowed: {', '.join(LAYERS)}")
                if not self.shape and kind != "input":
                    self._begin(layer)
                self._take(kind, layer)
        return self.chain

    def _take(self, kind: str, layer: Entries) -> None:
        try:
            READ[kind](self, layer)
        except DAMAGE as error:
            why = one_line(error, 80)
            raise CheckpointError(
                f"{layer.name}: its sizes do not fit each other ({why}); export the network again"
            ) from error

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        try:
            yield
        except UnsupportedError as error:
            if self.refusals is None:
                raise
            self.refusals.setdefault(name, error)

    def _begin(self, layer: Entries) -> None:
        """Takes the input of a description without an input layer from its first weights."""
        if layer.text("type") != "dense":
            raise CheckpointError(
                f"{layer.name}: the shape of the network's input is not in the file; a layer of type "
                "'input' is required before a convolution"
            )
        self._set_input((self._matrix(layer).shape[1],))

    def _set_input(self, shape: Shape) -> None:
        self.shape = shape
        self.chain.inputs = int(np.prod(shape))

    def input(self, layer: Entries) -> None:
        self._set_input(layer.shape())
        if "neuron" in layer:
            raise UnsupportedError(
                f"{layer.name}: neurons of the input, which make spikes of real values; lava-dl's own "
                "readings of their weight and bias differ. Feed their spikes, and remove the group "
                "'neuron' of this layer"
            )

    def flatten(self, layer: Entries) -> None:
        self.shape = (int(np.prod(self.shape)),)

    def dense(self, layer: Entries) -> None:
        weight = self._matrix(layer)
        out = layer.shape() if "shape" in layer else (len(weight),)
        self._layer(layer, linear_parts.affine(weight), out)

    def _matrix(self, layer: Entries) -> F64:
        weight = self._weight(layer)
        if weight.ndim == 1:
            weight = weight.reshape(int(np.prod(layer.shape())), -1)
        return weight.reshape(weight.shape[0], -1)

    def conv(self, layer: Entries) -> None:
        kernel = self._weight(layer)
        self._convolution(layer, kernel.reshape(kernel.shape[:4]), int(layer.number("groups", 1)))

    def pool(self, layer: Entries) -> None:
        channels = self.shape[0]
        window = self._weight(layer).reshape(layer.pair("kernelSize", 1))
        self._convolution(layer, np.tile(window, (channels, 1, 1, 1)), channels, window.shape)

    def _convolution(
        self, layer: Entries, kernel: F64, groups: int, window: tuple[int, int] | None = None
    ) -> None:
        if len(self.shape) != 3 or kernel.ndim != 4:
            raise CheckpointError(f"{layer.name}: a convolution of values of shape {self.shape}")
        stride = layer.pair("stride", 1) if window is None or "stride" in layer else window
        with named(layer.name):
            own = kernel, None, self.shape, stride, layer.pair("padding", 0), groups
            part = linear_parts.convolution(*own, dilation=layer.pair("dilation", 1))
        self._layer(layer, part, part.maps.out)

    def average(self, layer: Entries) -> None:
        size, groups = int(np.prod(self.shape)), int(layer.shape()[0])
        if size % groups:
            raise CheckpointError(f"{layer.name}: {size} values in {groups} groups")
        self.chain.add(layer.name, linear_parts.affine(pooled(groups, size)))
        self.done = True

    def _weight(self, layer: Entries) -> F64:
        if isinstance(layer.held.get("weight"), dict):
            raise UnsupportedError(f"{layer.name}: its weights are complex numbers")
        weight = layer.whole("weight")
        if weight.min() < LOWEST or weight.max() > HIGHEST:
            raise UnsupportedError(
                f"{layer.name}/weight: {weight.min():g} to {weight.max():g}; Lava clips weights to "
                f"{LOWEST} to {HIGHEST}"
            )
        return weight

    def _layer(self, layer: Entries, part: LinearPart, out: Shape) -> None:
        """Adds weights, neurons and their delays."""
        self.chain.add(layer.name, part)
        self.shape = out
        told = layer.shape() if "shape" in layer else out
        size = int(np.prod(told))
        if part.outputs != size:
            raise CheckpointError(
                f"{layer.name}: its weights make {part.outputs} values, its shape is {list(told)}"
            )
        neuron = self._neuron(layer, size)
        self.chain.add(f"{layer.name}.neuron", Neurons(neuron))
        if "delay" in layer:
            steps = layer.each("delay", np.floor(layer.array("delay")), out).astype(np.int64)
            if steps.min() < 0:
                raise CheckpointError(f"{layer.name}/delay: {steps.min()} steps; 0 or more")
            self.chain.add(f"{layer.name}.delay", Delays(np.broadcast_to(steps, (size,))))
            self.chain.remarks.append(
                f"{layer.name}: its delays are applied, as SLAYER does; Lava's own loader leaves them "
                "out"
            )

    def _neuron(self, layer: Entries, size: int) -> Loihi:
        own = layer.part("neuron")
        kind = own.text("type") if "type" in own else "CUBA"
        if kind not in NEURONS:
            why = OTHER_NEURONS.get(kind, f"neurons of type '{kind}' are not known")
            raise UnsupportedError(f"{layer.name}: {why}; allowed: {', '.join(NEURONS)}")
        graded = own.number("gradedSpike", 0) or own.number("messageBits", 0)
        for wrong, what in (
            (graded, "graded spikes"),
            (own.number("refDelay", 1) != 1, "a refractory period (refDelay other than 1)"),
            (own.number("wgtExp", 0), "an exponent of the weights (wgtExp), which Lava leaves out"),
            (own.number("weight_exp", 0), "an exponent of a norm (weight_exp)"),
        ):
            if wrong:
                raise UnsupportedError(f"{layer.name}: networks have no {what}")
        keys = {"iDecay": "current_decay", "vDecay": "voltage_decay", "vThMant": "threshold"}
        values = {to: own.each(key, own.whole(key), self.shape) for key, to in keys.items()}
        if "bias" in layer:
            values["v_bias"] = layer.each("bias", layer.whole("bias"), self.shape)
        return neuron_of(Loihi, size, layer.name, **values)


READ: dict[str, Callable[[LayerReader, Entries], None]] = {
    kind: getattr(LayerReader, kind) for kind in LAYERS
}


def _at(layers: Mapping[str, Any], k: int) -> Mapping[str, Any]:
    """Layer k of the description. Raises CheckpointError."""
    own = layers.get(str(k))
    if not isinstance(own, dict):
        known = ", ".join(sorted(layers, key=_number)[:8])
        raise CheckpointError(
            f"the description has no layer '{k}' (but {known}); layers are numbered from 0"
        )
    return own


def _number(name: str) -> int:
    return int(name) if re.fullmatch(r"\d{1,9}", name) else -1
