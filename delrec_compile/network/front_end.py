"""The front end that a network was trained behind, as its notes carry it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import DataError, UnsupportedError

NOTE = "front_end"  # its key in the notes
BUNDLED = "conv_delay_128_listening"


class Noted(Protocol):
    """A network, as far as a front end goes."""

    @property
    def name(self) -> str: ...
    @property
    def notes(self) -> Mapping[str, Any]: ...
    @property
    def inputs(self) -> int: ...
    @property
    def dt_ms(self) -> float: ...
    @property
    def max_input(self) -> float: ...


def front_end_of(network: Noted) -> FrontEnd:
    """The front end whose counts the network takes. Raises UnsupportedError."""
    if NOTE not in network.notes:
        raise UnsupportedError(
            f"network '{network.name}' carries no front end: it was not trained on spikes of one; take "
            f"the bundled '{BUNDLED}', or train one on the files of 'data synth --with-frontend'"
        )
    try:
        front = FrontEnd.from_json(network.notes[NOTE])
    except DataError as error:
        raise UnsupportedError(f"network '{network.name}': {error}") from error
    for what, have, need in (
        ("inputs", network.inputs, front.channels),
        ("dt_ms", network.dt_ms, front.step_ms),
    ):
        if have != need:
            raise UnsupportedError(
                f"network '{network.name}' has {what} {have:g}, its front end gives {need}; they do not "
                "belong together: train it again"
            )
    if network.max_input < front.step_ms:
        raise UnsupportedError(
            f"network '{network.name}' takes counts up to {network.max_input:g}, its front end gives up "
            f"to {front.step_ms}; train it again"
        )
    return front
