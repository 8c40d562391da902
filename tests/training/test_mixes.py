"""Maps from arrived spikes to currents."""

from __future__ import annotations

import pytest
import torch
from fixtures.training import BATCH, N
from torch.nn import functional

from delrec_compile.training import native
from delrec_compile.training.delay_lines import ArrivalMix
from delrec_compile.training.mixes import ChannelMix, KernelMix, MatrixMix, PairMix


@pytest.mark.parametrize("taps", [3, 15, 17, 27])
def test_kernels_of_any_length_are_convolutions(taps: int) -> None:
    generator = torch.Generator().manual_seed(taps)
    weight, g, back = (
        torch.randn(*shape, generator=generator, dtype=torch.double)
        for shape in ((2, taps), (N, 2, BATCH), (N, BATCH))
    )
    mix = KernelMix()
    g.requires_grad_()
    expected = functional.conv1d(g.permute(2, 1, 0), weight[None], padding=taps // 2)[:, 0].T
    assert torch.allclose(mix.forward(weight, g), expected, rtol=1e-12, atol=1e-12)
    (transposed,) = torch.autograd.grad(expected, g, back)
    assert torch.allclose(mix.back(weight, back), transposed, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dilation", [1, 3])
@pytest.mark.parametrize("edges", ["zeros", "circular"])
def test_kernels_between_channels_are_convolutions(edges: str, dilation: int) -> None:
    channels, taps, pad = 2, 5, 2 * dilation
    generator = torch.Generator().manual_seed(taps)
    weight, g = (
        torch.randn(*shape, generator=generator, dtype=torch.double)
        for shape in ((channels, channels, taps), (N, 1, BATCH))
    )
    mix = ChannelMix(circular=edges == "circular", dilation=dilation)
    maps = g[:, 0].T.reshape(BATCH, channels, -1)
    if edges == "circular":
        maps, pad = functional.pad(maps, (pad, pad), mode="circular"), 0
    expected = functional.conv1d(maps, weight, padding=pad, dilation=dilation).reshape(BATCH, N).T
    assert torch.allclose(mix.forward(weight, g), expected, rtol=1e-12, atol=1e-12)


MIXES: dict[str, tuple[ArrivalMix, tuple[int, ...], int]] = {  # mix, shape of its weight, heads
    "matrix": (MatrixMix(), (N, N), 1),
    "pairs": (PairMix(), (N, N), N),
    "kernel": (KernelMix(), (2, 3), 2),
    "long kernel": (KernelMix(), (2, 17), 2),
    "channels": (ChannelMix(), (2, 2, 5), 1),
    "dilated channels": (ChannelMix(dilation=2), (2, 2, 3), 1),
    "circular channels": (ChannelMix(circular=True), (2, 2, 5), 1),
    "circular channels of many taps": (ChannelMix(circular=True, dilation=3), (7, 7, 5), 1),
}


@pytest.mark.parametrize("name", MIXES)
def test_the_way_back_is_the_gradient(name: str) -> None:
    mix, shape, heads = MIXES[name]
    r = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=r, dtype=torch.double).requires_grad_()
    g = torch.randn(3, N, heads, BATCH, generator=r, dtype=torch.double).requires_grad_()
    cost = torch.randn(3, N, BATCH, generator=r, dtype=torch.double)
    current = torch.stack([mix.forward(weight, row) for row in g])
    d_weight, d_g = torch.autograd.grad((current * cost).sum(), [weight, g])
    with torch.no_grad():
        assert torch.allclose(mix.gradient(weight, cost, g), d_weight, rtol=1e-12, atol=1e-12)
        for row, expected in zip(cost, d_g, strict=True):
            assert torch.allclose(mix.back(weight, row), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("circular", [False, True])
def test_a_kernel_of_many_weights_becomes_its_matrix(circular: bool, dilation: int) -> None:
    """The same currents, and the same gradient of the kernel."""
    channels, taps, places = 8, 9, 20
    r = torch.Generator().manual_seed(3)
    weight = torch.randn(channels, channels, taps, generator=r, dtype=torch.double)
    weight.requires_grad_()
    g = torch.randn(channels * places, 1, BATCH, generator=r, dtype=torch.double)
    mix, mask = (
        ChannelMix(circular=circular, dilation=dilation),
        torch.ones(channels * places, 1, 2),
    )
    matrix, same = mix.joined(weight, mask)
    assert same is mask
    assert matrix.shape == (len(g), len(g))
    assert int((matrix != 0).sum(1).max()) == channels * taps
    cost = torch.randn(len(g), BATCH, generator=r, dtype=torch.double)
    found, want = mix.forward(matrix, g), mix.forward(weight, g)
    assert torch.allclose(found, want, rtol=1e-12, atol=1e-12)
    grads = [torch.autograd.grad((y * cost).sum(), weight)[0] for y in (found, want)]
    assert torch.allclose(*grads, rtol=1e-12, atol=1e-12)
    few = torch.randn(2, 2, 5, dtype=torch.double)
    assert mix.joined(few, mask)[0] is few
    wrapped = ChannelMix(circular=True, dilation=dilation)
    long = torch.randn(channels, channels, 21, dtype=torch.double)
    assert wrapped.joined(long, mask)[0] is long


@pytest.mark.parametrize(("mix", "shape"), [(ChannelMix(), (2, 2, 3)), (KernelMix(), (1, 3))])
def test_autograd_sees_what_it_needs(mix: ArrivalMix, shape: tuple[int, ...]) -> None:
    weight, g = torch.ones(shape, requires_grad=True), torch.ones(N, 1, BATCH)
    (gradient,) = torch.autograd.grad(mix.forward(weight, g).sum(), weight)
    assert gradient.shape == weight.shape


def test_types_that_differ_are_refused_as_pytorch_does() -> None:
    mix, weight, g = ChannelMix(), torch.ones(2, 2, 3, dtype=torch.double), torch.ones(N, 1, BATCH)
    with pytest.raises(RuntimeError, match=r"Float|dtype"):
        mix.forward(weight, g)
    with pytest.raises(RuntimeError, match=r"Float|dtype"):
        mix.back_into(torch.ones_like(g), weight, g[:, 0])


@pytest.mark.parametrize("batch", [BATCH, 64, 70])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("circular", [False, True])
def test_channels_in_c_are_those_of_pytorch(
    circular: bool, dilation: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels, places, taps = 4, 7, 5
    r, called = torch.Generator().manual_seed(5), list[str]()
    weight = torch.randn(channels, channels, taps, generator=r)
    g = torch.randn(channels * places, 1, batch, generator=r)
    mix, call = ChannelMix(circular=circular, dilation=dilation), native.call
    monkeypatch.setattr(native, "call", lambda name, *own: called.append(name) or call(name, *own))
    record = torch.zeros(channels * places, 1, 3, batch)  # three steps lie side by side
    for form in (native.library(), None):
        monkeypatch.setattr(native, "library", lambda form=form: form)
        current = mix.forward(weight, g)
        mix.back_into(record[:, :, 1 if form else 2], weight, g[:, 0])
        if form:
            ours, called[:] = current, [*called, "theirs"]
    assert called == ["channel_mix", "channel_mix", "theirs"]
    assert torch.allclose(ours, current, rtol=1e-5, atol=1e-5)
    assert torch.allclose(record[:, :, 1], record[:, :, 2], rtol=1e-5, atol=1e-5)
    assert not record[:, :, 0].any()
    assert record[:, :, 1].any(dim=2).all()
