"""PyTorch's own modules as linear parts, each compared with what the module computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from delrec_compile.errors import UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.chain import Chain
from delrec_compile.interop.linear_parts import LinearPart
from delrec_compile.interop.refusals import UnknownPartError, unknown_part
from delrec_compile.interop.torch_functions import Times
from delrec_compile.interop.torch_recorder import Call
from delrec_compile.interop.torch_trace import same_values
from delrec_compile.interop.torch_units import kind_of
from delrec_compile.network.tolerances import ONE_CALL

DROPS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
PASS_THROUGH = (nn.Identity, nn.Flatten, nn.Unflatten, *DROPS)

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def add_torch_module(call: Call, chain: Chain) -> bool:
    """Adds a module of PyTorch itself to the chain. Returns False for one that networks do not have.

    Raises UnsupportedError for a module with options that networks do not have.
    """
    m, name = call.module, call.name
    if isinstance(m, PASS_THROUGH):
        if not same_values(call.y, call.x):
            raise _mismatch(call)
        return True
    if isinstance(m, nn.ReLU) and chain.takes_spikes():
        return True
    if isinstance(m, nn.Linear):
        if m.in_features != call.size:
            raise UnsupportedError(
                f"{name}: a Linear over the last of several axes; flatten before"
            )
        part: LinearPart = linear_parts.affine(array(m.weight), _optional(m.bias))
    elif isinstance(m, nn.Conv1d | nn.Conv2d):
        if m.padding_mode != "zeros":
            raise UnsupportedError(f"{name}: a convolution that is not padded with zeros")
        shape = call.shape[-3:] if isinstance(m, nn.Conv2d) else call.shape[-2:]
        kernel, bias = array(m.weight), _optional(m.bias)
        options = m.stride, m.padding, m.groups, m.dilation
        part = linear_parts.convolution(kernel, bias, shape, *options)
    elif isinstance(m, NORMS):
        if m.running_mean is None or m.running_var is None:
            raise UnsupportedError(f"{name}: a BatchNorm without running statistics")
        mean, variance = array(m.running_mean), array(m.running_var)
        scale = linear_parts.batch_norm(
            mean, variance, m.eps, _optional(m.weight), _optional(m.bias)
        )
        part = linear_parts.per_channel(*scale, (len(mean), call.size // len(mean)))
    elif isinstance(m, Times):
        part = linear_parts.Scale(np.full(call.size, m.factor), np.zeros(call.size))
    else:
        return False
    add_part(call, part, chain)
    return True


def add_part(call: Call, part: LinearPart, chain: Chain) -> None:
    """Adds a linear part after `check_output`. Raises UnsupportedError."""
    check_output(call, part)
    chain.add(call.name, part)


def check_output(call: Call, part: LinearPart) -> None:
    """Raises UnsupportedError if the output of the module is not that of the part."""
    if not call.y.isfinite().all():
        raise UnsupportedError(
            f"{call.name}: its output is not finite; check its weights and statistics for NaN and inf"
        )
    if part.inputs == call.size:
        expected = part.linear(array(call.x)[None])[0] + part.biases
        y = array(call.y)
        if (
            expected.shape != y.shape
            or np.abs(expected - y).max() > ONE_CALL * np.abs(expected).max()
        ):
            raise _mismatch(call)


def _mismatch(call: Call) -> UnsupportedError:
    mro = [c for c in type(call.module).__mro__ if c.__module__.startswith("torch.nn.modules.")]
    kind = mro[0].__name__
    return UnsupportedError(
        f"{call.name}: its output is not that of a {kind} with its weights; networks have no custom "
        "forward or hook"
    )


def unsupported(call: Call, framework: str) -> UnknownPartError:
    """The error for a module that networks do not have."""
    kind = kind_of(call.module)
    hint = f"docs/import.md lists what is supported of {framework}"
    return unknown_part(call.name, kind, hint)


def array(tensor: Any) -> NDArray[np.float64]:
    """A tensor or a number in float64."""
    if isinstance(tensor, Tensor):
        return np.asarray(tensor.detach().cpu().double().numpy())
    return np.asarray(tensor, np.float64)


def _optional(tensor: Any) -> Any:
    return None if tensor is None else array(tensor)
