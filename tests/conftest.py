"""Fixtures: each network of `cases` is exported and compiled once in a session."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

# small networks run fastest on one thread; set before torch starts its pool, and for children
os.environ["OMP_NUM_THREADS"] = "1"

# the command is found by its name, as in an environment that is activated
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# no schedule that someone tuned on this machine; for children too
os.environ["DELREC_DB"] = os.devnull + "/no-store"

from collections.abc import Callable

import cases
import onnx
import pytest
import torch
from fixtures.archives import archive_server  # noqa: F401
from fixtures.bundled import artifacts, repository, samples, tiny_data  # noqa: F401
from fixtures.here import children_here  # noqa: F401
from fixtures.numbers import own_numbers  # noqa: F401
from fixtures.remote import shell, shell_of_all, tracker  # noqa: F401
from fixtures.staged import Staged
from fixtures.synthesisers import fake_espeak, fake_flite  # noqa: F401
from hypothesis import HealthCheck, settings

from delrec_compile import targets
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import export
from delrec_compile.network.onnx_step.schema import read_model
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.session import Session

torch.set_num_threads(1)
# a run under nohup starts with SIGINT ignored, and what it starts would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile(
    "tests",
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")

ROOT = Path(__file__).parent
QUICK = {"data", "ops", "project", "system", "targets"}  # rooms
TARGET = "x86_64"
Compile = Callable[..., Session]


def runs(cpu: str) -> bool:
    """Whether code for an LLVM CPU level runs on this machine."""
    if not targets.load(TARGET).runs_here:
        return False
    flags = Path("/proc/cpuinfo").read_text().split()
    return cpu != "x86-64-v3" or {"avx2", "fma"} <= set(flags)


def pytest_configure(config: pytest.Config) -> None:
    """The workers of a run share the networks of `cases`."""
    if hasattr(config, "workerinput"):
        cases.shared = Path(config.option.basetemp).parent / "cases"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The rooms whose tests last seconds come last, that no worker is left with a long one."""
    items.sort(key=lambda item: item.path.relative_to(ROOT).parts[0] in QUICK)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of a run share."""
    base = tmp_path_factory.getbasetemp()  # a worker's own lies in that of the run
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    root.mkdir(exist_ok=True)
    return root


@pytest.fixture(scope="session")
def staged(shared_folder: Path) -> Staged:
    """`staged(network, target, unroll=1, cpu=None, numeric="float32")`: an artifact."""
    return Staged(shared_folder)


@pytest.fixture(scope="session")
def compiled(staged: Staged) -> Compile:
    """`compiled(network, unroll=1, cpu=None, target=..., numeric="float32")`: a session."""
    if not runs("x86-64"):
        pytest.skip("the compiled library does not run on this machine")

    def make(
        network: Network,
        unroll: int = 1,
        cpu: str | None = None,
        target: str = TARGET,
        numeric: str = "float32",
    ) -> Session:
        return Session(staged(network, target, unroll, cpu, numeric))

    return make


@pytest.fixture(scope="session")
def exported() -> Callable[..., onnx.ModelProto]:
    """`exported(name, form="portable", unroll=1)`: the ONNX model of a case; do not change it."""
    made: dict[tuple[str, str, int], onnx.ModelProto] = {}

    def make(name: str, form: str = "portable", unroll: int = 1) -> onnx.ModelProto:
        key = (name, form, unroll)
        if key not in made:
            made[key] = export(cases.network(name), form=form, unroll=unroll)
        return made[key]

    return make


@pytest.fixture(scope="session")
def in_onnx(exported: Callable[..., onnx.ModelProto]) -> Callable[..., OnnxRunner]:
    """`in_onnx(name, form, unroll)`: the model of a case in ONNX Runtime."""
    return lambda *args, **kw: OnnxRunner(read_model(exported(*args, **kw)))
