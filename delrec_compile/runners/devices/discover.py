"""The machines that can be named: this one, those of a TVM tracker, those of ssh's configuration."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from delrec_compile.errors import DelrecError, DeviceError
from delrec_compile.runners.devices.rpc import Key, keys
from delrec_compile.runners.devices.ssh import hello
from delrec_compile.runners.devices.url import LOCAL, TRACKER_PORT, Device, parse_tracker
from delrec_compile.system import host as system_host

CONFIG = Path("~/.ssh/config")
KEYWORD = re.compile(r"\s*(host|match|include)(?:\s*=\s*|\s+)(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Listing:
    """A machine that can be named. device: value of `--device`. state: ready, busy, not asked, or not
    reached.

    machine: architecture, where it is known. detail: number of machines, or the error.
    """

    device: str
    state: str
    machine: str | None
    detail: str


def devices(
    tracker: tuple[str, int] | None, ask: Sequence[Device] = (), config: Path = CONFIG
) -> list[Listing]:
    """This machine, the keys of the tracker, ssh's hosts; those of `ask` are connected to.

    Raises DeviceError where the tracker is not reached.
    """
    here = platform.machine()
    out = [
        Listing(LOCAL.url, "ready", system_host.ALIASES.get(here.lower(), here), platform.node())
    ]
    out += of_tracker(*tracker) if tracker else []
    probed = {device.url: device for device in ask}
    names = [f"ssh://{name}" for name in ssh_hosts(config)]
    out += [Listing(url, "not asked", None, "of ssh's configuration") for url in names]
    with ThreadPoolExecutor(max(1, len(probed))) as pool:
        answers = {entry.device: entry for entry in pool.map(_probe, probed.values())}
    out = [answers.pop(entry.device, entry) for entry in out]
    return [*out, *answers.values()]


def default_tracker(environment: Mapping[str, str] = os.environ) -> tuple[str, int] | None:
    """The tracker of TVM's own tools: TVM_TRACKER_HOST and TVM_TRACKER_PORT."""
    host = environment.get("TVM_TRACKER_HOST")
    if not host:
        return None
    return parse_tracker(f"{host}:{environment.get('TVM_TRACKER_PORT', TRACKER_PORT)}")


def of_tracker(host: str, port: int) -> list[Listing]:
    """One entry per key. Raises DeviceError where no tracker answers."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return [_listing(f"rpc://{place}/{key.key}", key) for key in keys(host, port)]


def _listing(url: str, key: Key) -> Listing:
    free = f"{key.free} of {key.total} free, {key.waiting} waiting"
    return Listing(url, "ready" if key.free > 0 else "busy", None, free)


def ssh_hosts(config: Path = CONFIG) -> list[str]:
    """The names in ssh's configuration that are no patterns, in their order."""
    try:
        lines = config.expanduser().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    out: dict[str, None] = {}
    for line in lines:
        keyword = KEYWORD.fullmatch(line)
        if keyword is None or keyword[1].lower() != "host":
            continue
        for name in keyword[2].split("#")[0].replace('"', " ").split():
            if re.fullmatch(r"\w[\w.-]*", name):
                out[name] = None
    return list(out)


def _probe(device: Device) -> Listing:
    """Connects to a device."""
    try:
        if device.kind == "rpc":
            there = {key.key: key for key in keys(device.host, device.port)}
            if device.key not in there:
                raise DeviceError("no machine has this key")
            return _listing(device.url, there[device.key])
        if device.kind == "local":
            return devices(None, config=Path(os.devnull))[0]
        answer = hello(device)
        return Listing(device.url, "ready", answer["machine"], answer["host"])
    except DelrecError as error:
        return Listing(device.url, "not reached", None, str(error).removeprefix(f"{device} "))
