"""How much faster `tune --cluster` measures with more servers: trials of one, and of several at once.

    python -m benchmarks.cluster [--servers 2] [--trials 16] [--rounds 3]

A tracker and the servers of TVM's RPC run on this machine, over loopback, and share its cores with what
builds the candidates; boards have processors of their own. Runs with one server and with all take turns.
The time of a trial is that between the first and the last one, over their number: start-up is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import delrec_compile
from delrec_compile.runners.devices.rpc import free
from delrec_compile.runners.devices.url import parse
from delrec_compile.system.host import machine
from delrec_compile.tuning.result import Limits

SCHEMA = "delrec.cluster/1"
COMMAND = (sys.executable, "-m", "delrec_compile", "devices")
KEY, POLL_S, START_S = "cluster", 0.2, 120.0


@contextmanager
def cluster(servers: int) -> Iterator[str]:
    """The URL of so many servers at a tracker of their own."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> dict[str, Any]:
        line, pipe = [*COMMAND, *words, "--json"], subprocess.PIPE
        started.append(subprocess.Popen(line, stdout=pipe, stderr=subprocess.DEVNULL, text=True))
        out = started[-1].stdout
        assert out is not None
        told: dict[str, Any] = json.loads(out.readline())
        return told

    try:
        place = f"127.0.0.1:{start('tracker', '--port', str(_free_port()))['port']}"
        for _ in range(servers):
            start("serve", "--tracker", place, "--key", KEY)
        url, end = f"rpc://{place}/{KEY}", time.monotonic() + START_S
        while free(parse(url)) < servers and time.monotonic() < end:
            time.sleep(POLL_S)
        yield url
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def seconds_per_trial(network: str, servers: int, trials: int) -> dict[str, Any]:
    """A run of `tune` in a new store: seconds of a trial, and the trials of each server."""
    times: list[float] = []

    def watch(done: int, _all: int, _text: str) -> None:
        if done > len(times):
            times.append(time.monotonic())

    options: dict[str, Any] = {"cpu": "x86-64-v3", "limits": Limits(None, trials)}
    with cluster(servers) as url, tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        options |= {"device": url, "cluster": servers > 1, "db": Path(folder), "progress": watch}
        tuned = delrec_compile.tune(delrec_compile.load(network), **options)
    spent = (times[-1] - times[0]) / (len(times) - 1)
    return {"servers": servers, "seconds_per_trial": round(spent, 2), "trials": tuned.devices}


def main(argv: list[str] | None = None) -> int:
    """Prints JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--network", default="conv_delay_256", help="a bundled one")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    rows = []
    for turn in range(options.rounds):
        for servers in (1, options.servers)[:: 1 if turn % 2 else -1]:
            rows.append(seconds_per_trial(options.network, servers, options.trials))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    one, all_ = (
        statistics.median(r["seconds_per_trial"] for r in rows if r["servers"] == n)
        for n in (1, options.servers)
    )
    told = {
        "schema": SCHEMA,
        "machine": machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
    }
    print(json.dumps({**told, "runs": rows, "times_as_fast": round(one / all_, 2)}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
