"""The frozen network in NumPy, in place, with the same tricks as in eager PyTorch."""

from __future__ import annotations

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.evaluation.baselines.baseline import (
    Baseline,
    Workload,
    basic_lif,
    leak_over_time,
)
from delrec_compile.evaluation.baselines.window import History
from delrec_compile.network.model import Layer, Network


class Arrays(Baseline):
    """In place, the delay line a sliding window; feed-forward products over time where T is there."""

    name = "numpy"

    def __init__(self, network: Network, work: Workload) -> None:
        self.work = work
        self.form = "in place, window"
        if work.hoists:
            self.form += ", products over time" if work.batch == 1 else ", layer by layer"
        self.layers = [_Layer(layer, work) for layer in network.layers]
        r = network.readout
        self.w, self.b = r.weight, _column(r.bias, work)
        self.beta, self.leak = np.float32(r.beta), leak_over_time(r.beta, work.steps)
        tail = (work.batch,) if work.batch > 1 else ()
        self.x = np.empty(0, np.float32)
        self.y = np.zeros((work.steps, r.size, *tail), np.float32)
        self.zero = np.zeros_like(self.y[0])
        self.current = np.zeros_like(self.zero)

    def take(self, x: F32) -> None:
        own = x[:, 0] if self.work.batch == 1 else x.transpose(0, 2, 1)
        self.x = np.ascontiguousarray(own)

    def run(self) -> None:
        for layer in self.layers:
            layer.v.fill(0)
        if self.work.hoists:
            self._by_layer()
        else:
            self._by_step()

    def _by_layer(self) -> None:
        x = self.x
        for layer in self.layers:
            layer.over_time(x)
            x = layer.spikes
        currents = x @ self.w.T + self.b if x.ndim == 2 else self.w @ x + self.b
        np.dot(self.leak, currents.reshape(len(x), -1), out=self.y.reshape(len(x), -1))

    def _by_step(self) -> None:
        last = self.zero
        for t in range(len(self.x)):
            z: F32 = self.x[t]
            for layer in self.layers:
                z = layer.step(z, t)
            np.dot(self.w, z, out=self.current)
            last = np.multiply(last, self.beta, out=self.y[t])
            last += self.current
            last += self.b

    def read(self) -> F32:
        return self.y[:, None] if self.work.batch == 1 else self.y.transpose(0, 2, 1)


class _Layer:
    """One layer on the arrays of its history."""

    def __init__(self, layer: Layer, work: Workload) -> None:
        self.w, self.b = layer.weight, _column(layer.bias, work)
        lif = basic_lif(layer.lif)
        self.beta, self.threshold, self.v_reset = map(
            np.float32, (lif.beta, lif.threshold, lif.v_reset)
        )
        self.history = h = History(layer, work)
        self.spikes = h.spikes
        self.v = np.zeros_like(h.spikes[0])
        self.current, self.fired = np.zeros_like(self.v), np.zeros(self.v.shape, bool)
        if h.weight is not None:
            self.at, self.back = h.at(), h.weight
            cells = h.rows.shape[2:]
            self.windows = [h.window(c).reshape(-1, *cells) for c in range(h.chunks)]
            self.g = np.zeros((len(self.at), *cells), np.float32)

    def step(self, z: F32, t: int) -> F32:
        np.dot(self.w, z, out=self.current)
        self.current += self.b
        if self.history.weight is not None:
            self.current += self._arriving(t)[0]
        self._fire(self.current, t)
        spikes: F32 = self.spikes[t]
        return spikes

    def over_time(self, x: F32) -> None:
        """x: (T, inputs[, batch])."""
        fed = x @ self.w.T if x.ndim == 2 else None
        ahead, current = self.history.ahead, self.current
        for t in range(len(x)):
            if fed is None:
                np.dot(self.w, x[t], out=current)
            else:
                current = fed[t]
            current += self.b
            if self.history.weight is not None:
                if t % ahead == 0:
                    back = self._arriving(t // ahead)
                current += back[t % ahead]
            self._fire(current, t)

    def _arriving(self, chunk: int) -> F32:
        """The recurrent current of the steps of one chunk: (ahead, N[, batch])."""
        h, shape = self.history, (self.history.ahead, *self.v.shape)
        np.take(self.windows[chunk], self.at, axis=0, out=self.g, mode="clip")
        if self.back.ndim == 1:
            mixed: F32 = np.dot(self.back, self.g.reshape(h.taps, -1))
            return mixed.reshape(shape)
        g = self.g.reshape(shape)
        return g @ self.back.T if g.ndim == 2 else self.back @ g

    def _fire(self, current: F32, t: int) -> None:
        self.v *= self.beta
        self.v += current
        np.greater_equal(self.v, self.threshold, out=self.fired)
        self.spikes[t] = self.fired
        np.copyto(self.v, self.v_reset, where=self.fired)


def _column(bias: F32, work: Workload) -> F32:
    return bias if work.batch == 1 else bias[:, None]


def numpy(network: Network, work: Workload) -> list[Baseline]:
    """The form of `numpy`."""
    return [Arrays(network, work)]
