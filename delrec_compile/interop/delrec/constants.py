"""Constants of the neurons: of each layer, and of the readout. A checkpoint has none of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from delrec_compile.errors import NetworkError, UsageError
from delrec_compile.network.model import Lif
from delrec_compile.ops.lif import FIRES, RESETS

READOUT = "readout"
LEAK = "leak"  # gain 1 - beta
NUMBERS = ("beta", "tau", "gain", "threshold", "v_reset")
WORDS = {"fires": FIRES, "reset": RESETS}
FIELDS = (*NUMBERS, *WORDS)
READOUT_FIELDS = ("beta", "tau", "gain")

LayerKey = int | str
Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Constants:
    """Of one layer: v' = beta * v + gain * I, a spike at or above the threshold, then a reset.

    gain: None is 1 - beta.
    """

    beta: float
    gain: float | None = 1.0
    fires: str = "at"
    reset: str = "hard"
    threshold: float = 1.0
    v_reset: float = 0.0

    @property
    def factor(self) -> float:
        """Factor of the current."""
        return 1 - self.beta if self.gain is None else self.gain

    def lif(self, where: str) -> Lif:
        """The neurons. Raises UsageError, with the layer."""
        try:
            return Lif(self.beta, self.threshold, self.v_reset, self.factor, self.fires, self.reset)
        except NetworkError as error:
            raise UsageError(f"{where}: {error}") from error

    def text(self) -> str:
        """All constants that say how a layer fires, for a remark."""
        return (
            f"beta {self.beta:.6g}, gain {self.factor:.6g}, fires {self.fires} {self.threshold:g}, "
            f"reset {self.reset}"
        )

    def changed(self, where: str, changes: Changes) -> Constants:
        """With these fields; tau becomes beta. Raises UsageError for what is not allowed."""
        own: dict[str, Any] = {}
        for name, value in changes.items():
            if name not in FIELDS:
                raise UsageError(f"{where}: unknown field '{name}'; allowed: {', '.join(FIELDS)}")
            own[name] = _word(where, name, value) if name in WORDS else _value(where, name, value)
        if "tau" in own:
            tau = own.pop("tau")
            if "beta" in own:
                raise UsageError(f"{where}: beta and tau; one of them is allowed")
            if tau < 1:
                raise UsageError(f"{where}: tau is {tau:g}; 1 step or more is required")
            own["beta"] = 1 - 1 / tau
        made = replace(self, **own)
        if not 0 <= made.beta <= 1:
            raise UsageError(f"{where}: beta is {made.beta:g}; allowed: 0 <= beta <= 1")
        if "gain" in own and not made.factor > 0:
            raise UsageError(f"{where}: gain is {made.factor:g}; a positive number is required")
        return made


def layer_changes(layers: Any) -> dict[LayerKey, Changes]:
    """Changes by layer: a mapping of them, or texts such as `0:gain=1,fires=at` and `readout:tau=2`.

    Raises UsageError.
    """
    if isinstance(layers, str):
        layers = [layers]
    if not isinstance(layers, Iterable):
        raise UsageError(
            f"layers is {layers!r}; constants by layer, or texts of them, are required"
        )
    items: Iterable[Any] = layers.items() if isinstance(layers, Mapping) else map(_split, layers)
    found: dict[LayerKey, Changes] = {}
    for name, changes in items:
        key: LayerKey = READOUT if name == READOUT else _index(name)
        if isinstance(changes, str):
            changes = _fields(f"{name}:{changes}", changes)
        if not isinstance(changes, Mapping):
            raise UsageError(f"layer {name}: name=value of {', '.join(FIELDS)} is required")
        found[key] = {**found.get(key, {}), **changes}
    return found


def _split(text: Any) -> tuple[str, str]:
    name, colon, changes = str(text).partition(":")
    if not colon:
        raise UsageError(
            f"layer '{text}': a layer and its constants are required, such as 0:gain=1,fires=at or "
            "readout:tau=2"
        )
    return name.strip(), changes


def _index(name: Any) -> int:
    text = str(name).strip()
    if isinstance(name, bool) or not text.isdecimal():
        raise UsageError(f"layer '{name}': a number from 0, or 'readout', is required")
    return int(text)


def _fields(where: str, text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    wrong = [name for name, equals, value in pairs if not (name.strip() and equals and value)]
    if wrong:
        raise UsageError(f"layer '{where}': '{wrong[0]}' is not name=value")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _word(where: str, name: str, value: Any) -> str:
    if value not in WORDS[name]:
        raise UsageError(f"{where}: unknown {name} '{value}'; allowed: {', '.join(WORDS[name])}")
    return str(value)


def _value(where: str, name: str, value: Any) -> float | None:
    if name == "gain" and value in (LEAK, "one"):
        return None if value == LEAK else 1.0
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        words = f", '{LEAK}' (1 - beta) or 'one'" if name == "gain" else ""
        raise UsageError(f"{where}: {name} is '{value}'; a finite number{words} is required")
    return number
