"""Trainings on disk by a key of their inputs: a rerun reads them, an interrupted one resumes."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from delrec_compile.data.events import Events
from delrec_compile.data.partition import Sets, data_digest, sets_digest
from delrec_compile.errors import DataError, UsageError
from delrec_compile.evaluation.claims.ablate import delays_matter
from delrec_compile.evaluation.claims.cost import cost, spike_rates
from delrec_compile.evaluation.claims.voices import by_voice, share
from delrec_compile.network import checkpoint
from delrec_compile.network.classify import accuracy
from delrec_compile.network.model import Network
from delrec_compile.system.fields import parse_json
from delrec_compile.system.files import cache_folder, write_atomic
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.keys import TRAINER, keyed_options
from delrec_compile.training.loop import Progress, train
from delrec_compile.training.state import forget

SCHEMA = "delrec.claims-training/1"


def default_folder() -> Path:
    """$DELREC_CLAIMS, or a folder of the user's cache."""
    return cache_folder("claims", "DELREC_CLAIMS")


class TrainingCache:
    """A folder of results, `<key>.json`, with `<key>.safetensors` of the networks trained here.

    recorded: it is there, and nothing is written. sealed: its networks do not meet the test samples
    before `tested` is called. Raises UsageError where it cannot be had.
    """

    def __init__(
        self, folder: Path, sets: Sets, recorded: bool = False, sealed: bool = False
    ) -> None:
        self.folder, self.sets, self.recorded, self.sealed = folder, sets, recorded, sealed
        try:
            if recorded and not folder.is_dir():
                raise UsageError(
                    f"{folder} is not a directory, so it holds no training runs; pass a cache folder "
                    "with --cache, or train without --recorded"
                )
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{folder} cannot be used as the cache of training runs ({error.strerror}); "
                "choose another one with --cache"
            ) from error
        self.data = sets_digest(sets)

    def result(self, name: str) -> dict[str, Any] | None:
        """The result of the training of this key, or None. Raises DataError for a damaged file."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            return None
        try:
            result = parse_json(path.read_text())
            if result["schema"] == SCHEMA and result["key"] == name:
                return dict(result)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path} is damaged ({error!r}); remove it to train again") from error
        raise DataError(
            f"{path} was written by another version or under another name; remove it to train again"
        )

    def network(self, name: str) -> Path:
        """The path of the network of this key, which may not exist yet."""
        return self.folder / f"{name}.safetensors"

    def train(
        self, name: str, config: TrainConfig, about: Mapping[str, Any], progress: Progress
    ) -> dict[str, Any]:
        """Trains, from where an earlier run was cut off, and keeps the result."""
        state = self.folder / f"{name}.unfinished"
        done = train(
            self.sets,
            config,
            progress,
            state=state,
            resume=True,
            fold=about.get("fold"),
            tested=not self.sealed,
        )
        checkpoint.save(done.network, self.network(name))
        result = self.record(name, config, about, done.network, done.seconds)
        forget(state)
        return result

    def record(
        self,
        name: str,
        config: TrainConfig,
        about: Mapping[str, Any],
        network: Network,
        seconds: float,
    ) -> dict[str, Any]:
        """Measures a trained network and writes the result."""
        measured = self.sets.valid if self.sealed else self.sets.test
        held = spike_rates(network, measured.counts)
        result = {
            "schema": SCHEMA,
            "key": name,
            **about,
            "trainer": TRAINER,
            "config": keyed_options(config),
            "data": self.data,
            "accuracy": dict(network.notes["accuracy"]),
            "voices": {"valid": by_voice(network, self.sets.valid)},
            "samples": {"valid": len(self.sets.valid), "test": len(self.sets.test)},
            "epochs": config.epochs,
            "recurrent_parameters": network.recurrent_parameters(),
            "rates": list(held),
            "cost": asdict(cost(network, held)),
            "delays": {},
            "seconds": seconds,
            "versions": {n: importlib.metadata.version(n) for n in ("torch", "numpy")},
            "network_sha256": checkpoint.digest(network),
        }
        if not self.sealed:
            return self.tested(result)
        self.write(result)
        return result

    def tested(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The result with what the test samples say of its network; measured now if it is not there.

        Without the network's file, or with `recorded`, the result as it is.
        """
        if not self.untested(result):
            return dict(result)
        network, test = checkpoint.load(self.network(result["key"])), self.sets.test
        voices = by_voice(network, test)
        result = {
            **result,
            "accuracy": {**result["accuracy"], "test": share(voices)},
            "voices": {**result["voices"], "test": voices},
            "delays": delays_matter(network, test),
        }
        self.write(result)
        return result

    def untested(self, result: Mapping[str, Any]) -> bool:
        """Whether its network is here and has yet to meet the test samples."""
        met = "test" in result["accuracy"] and "test" in result.get("voices", {"test": None})
        return not met and not self.recorded and self.network(result["key"]).exists()

    def unheard(self, result: Mapping[str, Any], other: Events) -> bool:
        """Whether its network is here and has yet to meet those samples."""
        met = (result.get("other") or {}).get("data") == data_digest(other)
        return not met and not self.recorded and self.network(result["key"]).exists()

    def heard(self, result: Mapping[str, Any], other: Events) -> dict[str, Any]:
        """The result with the accuracy on samples of another synthesiser, in the same way."""
        if not self.unheard(result, other):
            return dict(result)
        network = checkpoint.load(self.network(result["key"]))
        right = accuracy(network, other.counts, other.known_labels)
        told = {"data": data_digest(other), "samples": len(other), "accuracy": right}
        result = {**result, "other": told}
        self.write(result)
        return result

    def write(self, result: Mapping[str, Any]) -> None:
        """Writes a result under its key."""
        raw = (json.dumps(result, indent=1) + "\n").encode()
        write_atomic(self.folder / f"{result['key']}.json", raw)
