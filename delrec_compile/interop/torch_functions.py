"""Functions of torch between the modules of a model, as the modules that compute the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# names of the arguments behind the input, in their order
ARGUMENTS = {
    "max_pool1d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "max_pool2d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool1d": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "avg_pool2d": (
        *("kernel_size", "stride", "padding", "ceil_mode"),
        *("count_include_pad", "divisor_override"),
    ),
    "lp_pool1d": ("norm_type", "kernel_size", "stride", "ceil_mode"),
    "lp_pool2d": ("norm_type", "kernel_size", "stride", "ceil_mode"),
    "adaptive_avg_pool1d": ("output_size",),
    "adaptive_avg_pool2d": ("output_size",),
}
MODULES: dict[str, type[nn.Module]] = {
    "max_pool1d": nn.MaxPool1d,
    "max_pool2d": nn.MaxPool2d,
    "avg_pool1d": nn.AvgPool1d,
    "avg_pool2d": nn.AvgPool2d,
    "lp_pool1d": nn.LPPool1d,
    "lp_pool2d": nn.LPPool2d,
    "adaptive_avg_pool1d": nn.AdaptiveAvgPool1d,
    "adaptive_avg_pool2d": nn.AdaptiveAvgPool2d,
}
FLAGS = ("return_indices", "inplace")  # may be given as False


class Times(nn.Module):
    """A product with a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def module_of(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[nn.Module, Tensor] | None:
    """The module that a function of this name stands for, and its input; None if there is none."""
    given = {k: v for k, v in kwargs.items() if not (k in FLAGS and v is False)}
    x, *others = args if args else (given.pop("input", None),)
    if not isinstance(x, Tensor):
        return None
    if name in MODULES:
        own = dict(zip(ARGUMENTS[name], others, strict=False)) | given
        own = {k: v for k, v in own.items() if v is not None and v != []}
        return (MODULES[name](**own), x) if own.keys() <= {*ARGUMENTS[name]} else None
    if given:
        return None
    if name == "relu" and not others:
        return nn.ReLU(), x
    if name in ("mul", "div") and len(others) == 1 and isinstance(others[0], int | float):
        factor = others[0] if name == "mul" else 1 / others[0] if others[0] else 0
        return (Times(factor), x) if factor else None
    return None


class Functions(TorchFunctionMode):
    """While it is on, functions that stand for a module are given to `run`, with their name.

    run: returns the output, or None to let the function compute.
    """

    def __init__(self, run: Callable[[str, nn.Module, Any], Any]) -> None:
        super().__init__()
        self.run = run

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, own = str(getattr(func, "__name__", "")), kwargs or {}
        made = module_of(name, args, own)
        out = None if made is None else self.run(name, *made)
        return func(*args, **own) if out is None else out
