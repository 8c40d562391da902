"""Artifacts that are reused, and what makes them be built again."""

import json
from dataclasses import replace

import cases
import pytest

from delrec_compile.aliases import Numeric
from delrec_compile.evaluation.compare import cache
from delrec_compile.network import checkpoint

pytestmark = pytest.mark.usefixtures("children_here")

TARGET = "x86_64"


@pytest.fixture(scope="module")
def network():
    return cases.network("conv3")


@pytest.fixture(scope="module")
def stored(network, tmp_path_factory):
    """A folder of artifacts with one in it, and the artifact."""
    folder = tmp_path_factory.mktemp("artifacts")
    artifact, reused = cache.cached_build(network, TARGET, out=folder)
    assert not reused
    (artifact.path / "measured.json").write_text(json.dumps({"machine": cache.machine()}))
    return folder, artifact


@pytest.fixture(autouse=True)
def _not_built_again(monkeypatch, stored):
    monkeypatch.setattr(cache, "build", lambda *_, **__: "built")


def test_an_artifact_is_reused(stored, network):
    folder, artifact = stored
    again, reused = cache.cached_build(network, TARGET, out=folder)
    assert reused
    content = checkpoint.digest(network)[:8]
    assert again.path == artifact.path == folder / f"{network.name}-{content}-{TARGET}-float32"


@pytest.mark.parametrize(
    "what", ["network", "numeric", "tools", "memory", "cpu", "file", "requested", "schedule"]
)
def test_what_has_changed_is_built_again(what, stored, network, monkeypatch, tmp_path):
    folder, artifact = stored
    requested = what == "requested"
    if what == "network":
        network = replace(network, dt_ms=5.0)
    elif what == "cpu":
        monkeypatch.setattr(cache, "machine", lambda: {"cpu": "another"})
    elif what == "file":
        folder = tmp_path
        copy = tmp_path / artifact.path.name
        copy.mkdir()
        (copy / "manifest.json").write_text(json.dumps(artifact.manifest.to_json()))
    elif not requested:
        changes = {
            "numeric": {"numeric": Numeric.INT8},
            "tools": {"tools": {}},
            "memory": {"memory": {"chip": "x"}},
            "schedule": {"schedule": {}, "tuning": None},
        }
        changed = replace(artifact, manifest=replace(artifact.manifest, **changes[what]))
        monkeypatch.setattr(cache, "load_artifact", lambda _: changed)
    result = cache.cached_build(network, TARGET, out=folder, rebuild=requested)
    assert result == ("built", False)
