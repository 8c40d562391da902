"""Three sets that belong together, and digests that tell any change of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from delrec_compile.data.events import Events
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.data.partition import Sets, data_digest, sets_digest
from delrec_compile.errors import DataError


def test_sets_must_be_alike() -> None:
    def events(n: int, steps: int, keys: tuple[str, ...] | None) -> Events:
        return Events(np.zeros((n, steps, 4), np.uint8), np.zeros(n, np.int64), keys, None, 10.0)

    good = events(2, 5, ("a",))
    with pytest.raises(DataError, match="test set is empty"):
        Sets(good, good, events(0, 5, ("a",)))
    with pytest.raises(DataError, match="valid set has 6 steps of 4 channels"):
        Sets(good, events(2, 6, ("a",)), good)
    with pytest.raises(DataError, match="different class names"):
        Sets(good, events(2, 5, ("b",)), good)
    with pytest.raises(
        DataError, match="test set was not counted by the front end of the train set"
    ):
        Sets(good, good, replace(good, front_end=json.dumps(FrontEnd().to_json())))


def test_a_digest_tells_labels_and_spikes_apart() -> None:
    events = Events(np.zeros((2, 3, 4), np.uint8), np.array([0, 1]), None, None, 10.0)
    other = replace(events, labels=np.array([1, 0]))
    more = replace(events, counts=events.counts + np.uint8(1))
    assert len({data_digest(e) for e in (events, other, more)}) == 3
    assert data_digest(events) == data_digest(replace(events))
    assert sets_digest(Sets(events, events, events)) != sets_digest(Sets(events, other, events))
