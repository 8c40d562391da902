"""Names of machines that code runs on: `local`, `rpc://host:port/key`, `ssh://user@host`.

rpc: a machine of this key at a TVM tracker. ssh: a machine with a shell. Both take options after `?`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from delrec_compile.errors import UsageError, did_you_mean

TRACKER_PORT = 9190  # TVM's own
FORMS = "local, rpc://host:port/key, ssh://user@host:port"
OPTIONS = {
    "local": (),
    "rpc": ("timeout",),
    "ssh": ("config", "dir", "run", "timeout"),
}
TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Device:
    """One machine, or one of those of a key.

    kind: local, rpc or ssh. host, port: address of the tracker or ssh server; port 0: ssh's own
    configuration. key: key at the tracker. user: ssh user, or empty. options: text after `?`.
    """

    url: str
    kind: str
    host: str = ""
    port: int = 0
    key: str = ""
    user: str = ""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def timeout_s(self) -> float:
        """The longest time that one run there may take."""
        return float(self.options.get("timeout", TIMEOUT_S))

    def __str__(self) -> str:
        return self.url


LOCAL = Device("local", "local")


def parse(url: str) -> Device:
    """The device of a URL. Raises UsageError."""
    text = url.strip()
    if text in ("", "local"):
        return LOCAL
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _refused(url, str(error)) from error
    if parts.scheme not in ("rpc", "ssh") or not text.startswith(f"{parts.scheme}://"):
        near = did_you_mean(parts.scheme or text, ("rpc", "ssh", "local"))
        raise _refused(url, f"unknown kind of device{near}")
    key = unquote(parts.path).strip("/")
    user, host = unquote(parts.username or ""), _host(parts.netloc)
    for part, value in (("host", host), ("user", user), ("key", key)):
        if value and not re.fullmatch(r"[\w.:%~+/][\w.:%~+/-]*", value):
            raise _refused(url, f"'{value}' is not a {part} name")
    if not host:
        raise _refused(url, "the host is missing")
    if parts.password is not None:
        raise _refused(url, "passwords are not accepted; use a key")
    if parts.scheme == "rpc" and user:
        raise _refused(url, "rpc:// URLs take no user name")
    if parts.scheme == "rpc" and not key:
        where = f"{host}:{port or TRACKER_PORT}"
        raise _refused(
            url, f"the key is missing; 'delrec-compile devices --tracker {where}' lists the keys"
        )
    if parts.scheme == "ssh" and key:
        raise _refused(url, f"'/{key}' is not allowed; to name a folder there, use ?dir=/{key}")
    default = TRACKER_PORT if parts.scheme == "rpc" else 0
    options = _options(url, parts.scheme, parts.query)
    return Device(text, parts.scheme, host, port or default, key, user, options)


def parse_all(urls: Sequence[str]) -> list[Device]:
    """Several, also with commas in one text; each once."""
    devices = [parse(u) for text in urls for u in text.split(",") if u.strip()]
    return list({device.url: device for device in devices}.values())


def parse_tracker(address: str) -> tuple[str, int]:
    """`host:port` or `host` of a TVM tracker. Raises UsageError."""
    device = parse(f"rpc://{address}/any")
    return device.host, device.port


def _host(netloc: str) -> str:
    """The host as it was written: names in ssh's configuration have capitals."""
    place = netloc.rpartition("@")[2]
    inside = re.fullmatch(r"\[(.*)\](:\d*)?", place)
    return inside[1] if inside else place.partition(":")[0]


def _options(url: str, kind: str, query: str) -> dict[str, str]:
    out = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS[kind]:
            allowed = ", ".join(OPTIONS[kind])
            near = did_you_mean(name, OPTIONS[kind])
            raise _refused(url, f"unknown option '{name}'{near}; options of {kind}: {allowed}")
        if not value:
            raise _refused(url, f"option '{name}' is empty")
        out[name] = value
    limit = out.get("timeout")
    if limit is not None and not re.fullmatch(r"0*[1-9]\d{0,5}(\.\d+)?", limit):
        raise _refused(url, f"timeout '{limit}' is not a number of seconds, at least 1")
    return out


def _refused(url: str, why: str) -> UsageError:
    return UsageError(f"device '{url}': {why}; allowed: {FORMS}")
