"""Events beside dense products: networks that are silent, products that are right, and the table."""

import numpy as np
import pytest
from fixtures.avx512 import needs_bitalg

from benchmarks import hand_written, products
from benchmarks.networks import Size, poisson_samples, random_network
from delrec_compile.errors import ParityError, UnsupportedError
from delrec_compile.runners.reference import ReferenceRunner


def test_no_neuron_of_a_silent_network_spikes():
    network = random_network(Size(neurons=32, inputs=20, rate=0.5))
    x = np.ascontiguousarray(poisson_samples(2, 30, 20).counts.transpose(1, 0, 2), np.float32)
    assert all(spikes.any() for spikes in ReferenceRunner(network).trace(x).spikes)
    quiet = products.silent(network, "quiet")
    assert not any(spikes.any() for spikes in ReferenceRunner(quiet).trace(x).spikes)
    assert all(
        np.array_equal(a.weight, b.weight)
        for a, b in zip(network.layers, quiet.layers, strict=True)
    )


@needs_bitalg
@pytest.mark.parametrize("bits", [16, 8])
def test_a_product_is_compared_with_numpys(tmp_path, bits):
    product = products.Product(hand_written.load_timed("products", tmp_path), 64, 128, bits)
    counts = np.random.default_rng(0).integers(0, 2, (products.STREAMS, 64))
    assert product.time(counts) > 0
    product.words[0] ^= 1
    counts[0] = 1
    with pytest.raises(ParityError, match="product is wrong"):
        product.time(counts)


@needs_bitalg
def test_the_table_has_a_ratio_for_each_share(monkeypatch, capsys):
    monkeypatch.setattr(products, "RATES", (0.5,))
    monkeypatch.setattr(products, "DENSITIES", (1.0,))
    monkeypatch.setattr(products, "BITS", {"int8": 8})
    assert products.main(["--rounds", "1"]) == 0
    spiking, *rows = capsys.readouterr().out.splitlines()
    assert spiking.split() == ["neurons", "that", "spike", "50%"]
    assert [row.split()[:2] for row in rows] == [
        ["int8", "sequence"],
        ["int8", "batch"],
        ["inputs", "active"],
        ["int8", "sequence"],
        ["int8", "batch"],
    ]
    assert all(float(row.split()[2]) > 0 for row in rows if row.startswith("int8"))


def test_a_processor_without_vnni_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(hand_written, "FEATURES", ("avx10000",))
    assert products.main([]) == UnsupportedError.exit_code
    assert "lacks avx10000" in capsys.readouterr().err
