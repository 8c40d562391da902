"""The worker's side of jobs at a Dask scheduler, and the workers that a command starts itself."""

from __future__ import annotations

import asyncio
import importlib.metadata
import platform
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from delrec_compile import __version__
from delrec_compile.errors import DelrecError, DeviceError
from delrec_compile.system.process import end_with_parent, error_answer, resolve

# random numbers and threads of torch belong to the process: one job at a time
ONE = threading.Lock()
LOOPBACK = "127.0.0.1"
PACKAGES = ("torch", "numpy", "distributed")  # whose versions change bits, or what is sent


class UnfitError(DeviceError):
    """A worker on which no job of a command can run."""


class AbandonedError(Exception):
    """Nobody waits for the job any more."""


def versions() -> dict[str, str]:
    """What has to be the same for the same bits."""
    python = ".".join(platform.python_version_tuple()[:2])
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"delrec-compile": __version__, "Python": python, **found}


def refuse_unfit(wanted: Mapping[str, str], witness: str | None) -> None:
    """Raises UnfitError on a worker of other versions, or one that does not see a file."""
    for name, version in versions().items():
        if version != wanted[name]:
            raise UnfitError(
                f"the worker at {address()} has {name} {version}, this machine {wanted[name]}; install "
                "the same on both"
            )
    if witness is not None and not Path(witness).is_file():
        raise UnfitError(
            f"the worker at {address()} does not see {Path(witness).parent} of this machine; use a "
            "folder that all workers share, under the same path"
        )


def address() -> str:
    """That of the worker that runs this."""
    from distributed import get_worker

    return str(get_worker().address)


def perform(
    function: str,
    arguments: Mapping[str, Any],
    *,
    name: str,
    topic: str,
    wanted: Mapping[str, str],
    witness: str | None,
) -> dict[str, Any]:
    """Calls the function of a job: its value, or its error. Raises UnfitError, AbandonedError.

    name: of the job. topic: that its progress is told under. wanted: versions.
    """
    from distributed import get_worker

    worker = get_worker()
    refuse_unfit(wanted, witness)
    key = worker.get_current_task()

    def tell(done: int, text: str) -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state == "cancelled":
            raise AbandonedError(name)
        worker.log_event(topic, {"name": name, "done": done, "text": text})

    with ONE:
        try:
            return {"value": resolve(function)(tell, **arguments)}
        except DelrecError as error:
            return error_answer(error)


def main(pipe: str, work: Mapping[str, Any]) -> None:
    """A worker that ends with the command that started it.

    work: address of the scheduler, its keys as PEM texts, and a folder for temporary files.
    """
    end_with_parent(int(pipe))
    asyncio.run(_serve(work))


async def _serve(work: Mapping[str, Any]) -> None:
    import dask
    from distributed import Worker
    from distributed.security import Security

    options = {"nthreads": 1, "local_directory": work["folder"], "memory_limit": 0}
    options |= {"host": LOOPBACK, "security": Security(**work["keys"])}
    with dask.config.set({"distributed.worker.http.routes": []}):
        async with Worker(work["address"], **options) as worker:
            await worker.finished()
