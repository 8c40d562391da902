"""What names a training on disk: its options, its data and its teacher."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from delrec_compile.training.config import TrainConfig

# of the trainer: another one where the same config no longer trains the same network, up to rounding
TRAINER = 2
# options that change at most the last bits of a result
IGNORED_OPTIONS = ("threads", "device", "teacher", "valid_every")


def keyed_options(config: TrainConfig) -> dict[str, Any]:
    """The options that differ from their defaults and change the network."""
    return {n: v for n, v in config.changed().items() if n not in IGNORED_OPTIONS}


def training_key(config: TrainConfig, data: str, teacher: str = "") -> str:
    """The key of a training: options that differ from the defaults, data, the teacher's key."""
    record = {
        "trainer": TRAINER,
        "config": keyed_options(config),
        "data": data,
        "teacher": teacher,
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
