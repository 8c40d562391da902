"""The workers of a Dask scheduler: those that are there, and those that this command starts."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile.errors import DeviceError
from delrec_compile.system.child import PATIENT
from delrec_compile.system.cluster_worker import LOOPBACK
from delrec_compile.system.folders import work_folder
from delrec_compile.system.home import settle_home
from delrec_compile.system.process import Group, crash_message

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

CONNECT_S, WORKERS_S, POLL_S = 5.0, 15.0, 0.2
START_S = 120.0  # by which a worker of this machine has loaded its packages, however busy that is
RESTARTS = 8  # deaths of workers of this machine after which it is not the jobs' fault
BOOT = """
import json, sys
work = json.loads(sys.stdin.buffer.readline())
sys.path[:] = work["path"]
from delrec_compile.system.cluster_worker import main
main(sys.argv[1], work)
"""


class Crew:
    """The workers of a scheduler."""

    patience_s = WORKERS_S

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.address = client, address

    def await_first(self) -> None:
        """Waits until a worker is there. Raises DeviceError where none comes."""
        end = time.monotonic() + self.patience_s
        while not self.count():
            if time.monotonic() > end:
                raise DeviceError(
                    f"the scheduler at {self.address} has no workers; start some: "
                    f"dask worker {self.address} --nthreads 1 --nworkers 2"
                )
            time.sleep(POLL_S)

    def count(self) -> int:
        """Workers that are there now. Raises DeviceError where the scheduler is not."""
        try:
            return len(self.client.nthreads())
        except (OSError, ValueError, RuntimeError) as error:
            raise self.lost() from error

    def ask(self, function: Callable[..., None], *arguments: Any) -> list[Any]:
        """What a function returns or raises at each worker. Raises DeviceError as `count`."""
        try:
            return list(self.client.run(function, *arguments, on_error="return").values())
        except OSError as error:
            raise self.lost() from error

    def lost(self) -> DeviceError:
        return DeviceError(
            f"the scheduler at {self.address} does not answer any more; what is done is kept: run the "
            "same line again"
        )


class LocalCrew(Crew):
    """Workers of this machine, started again when they die."""

    patience_s = START_S

    def __init__(self, client: Client, work: dict[str, Any], folder: Path, workers: int) -> None:
        super().__init__(client, work["address"])
        self.work, self.folder, self.started = work, folder, 0
        self.groups = [self._start() for _ in range(workers)]

    def count(self) -> int:
        for i, group in enumerate(self.groups):
            if (code := group.process.poll()) is not None:
                if self.started - len(self.groups) >= RESTARTS:
                    log = (self.folder / "log").read_text(errors="replace")
                    raise DeviceError(crash_message("a worker", code, log))
                group.end()
                self.groups[i] = self._start()
        return super().count()

    def end(self) -> None:
        for group in self.groups:
            group.end()

    def _start(self) -> Group:
        self.started += 1
        own = {**PATIENT, **os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(self.folder)}
        with (self.folder / "log").open("ab") as log:
            group = Group(BOOT, env=own, stdin=subprocess.PIPE, stdout=log, stderr=log)
        assert group.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has died already, which `count` sees
            group.process.stdin.write(json.dumps(self.work).encode() + b"\n")
            group.process.stdin.flush()
        return group


@contextlib.contextmanager
def connected(address: str, keys: Security | None = None) -> Iterator[Client]:
    """A client of a scheduler. Raises DeviceError where there is none."""
    from distributed import Client

    options: dict[str, Any] = {"set_as_default": False, "timeout": CONNECT_S, "security": keys}
    try:
        with _unwarned():
            client = Client(address, **options)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        text = " ".join(str(error).split())
        raise DeviceError(
            f"no scheduler answers at {address} ({text}); start one: dask scheduler --host "
            "127.0.0.1 --port 8786"
        ) from error
    with client:
        yield client


@contextlib.contextmanager
def local_crew(workers: int) -> Iterator[LocalCrew]:
    """Workers of this machine. What they and their scheduler say is encrypted, and nobody else joins."""
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    settle_home()
    keys = Security.temporary()
    given = {"n_workers": 0, "host": LOOPBACK, "protocol": "tls://", "dashboard_address": None}
    with dask.config.set({"distributed.scheduler.http.routes": []}), _unwarned():
        scheduler = LocalCluster(security=keys, **given)
    with (
        work_folder() as folder,
        scheduler as cluster,
        connected(cluster.scheduler_address, keys) as client,
    ):
        own = ("require_encryption", "tls_ca_file", "tls_worker_cert", "tls_worker_key")
        work = {"address": cluster.scheduler_address, "folder": str(folder), "path": sys.path}
        work["keys"] = {name: getattr(keys, name) for name in own}
        crew = LocalCrew(client, work, folder, workers)
        try:
            yield crew
        finally:
            crew.end()


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """Without Dask's warnings of ports that are taken, and of versions that differ."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
