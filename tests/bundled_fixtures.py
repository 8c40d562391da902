"""Fixtures of the tests that run the bundled networks as a user does."""

from pathlib import Path

import numpy as np
import pytest

import delrec_compile
from delrec_compile.network import checkpoint


@pytest.fixture(scope="session")
def repository():
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    """The bundled networks, built once: name -> artifact folder."""
    root = tmp_path_factory.mktemp("artifacts")
    return {
        name: delrec_compile.build(checkpoint.load(name), out=root / name).path
        for name in checkpoint.BUNDLED
    }


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """A folder of train, valid and test files in the layout of SHD: two easy classes."""
    import h5py

    folder = tmp_path_factory.mktemp("tiny")
    r = np.random.default_rng(0)
    for name, n in (("train", 24), ("valid", 8), ("test", 8)):
        labels = np.arange(n, dtype=np.uint16) % 2
        with h5py.File(folder / f"tiny_{name}.h5", "w") as file:
            times = file.create_dataset("spikes/times", (n,), h5py.vlen_dtype(np.float16))
            units = file.create_dataset("spikes/units", (n,), h5py.vlen_dtype(np.uint16))
            for i, label in enumerate(labels):
                times[i] = np.sort(r.uniform(0, 0.5, 300)).astype(np.float16)
                units[i] = (r.integers(0, 350, 300) + 350 * label).astype(np.uint16)
            file["labels"] = labels
            file["extra/keys"] = [b"low", b"high"]
    return folder
