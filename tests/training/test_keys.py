"""Keys of trainings on disk."""

from __future__ import annotations

from fixtures.training import small

from delrec_compile.training.keys import training_key


def test_keys_follow_what_changes_a_training() -> None:
    base = training_key(small(), "d")
    assert training_key(small(threads=2, device="cuda", teacher="a"), "d") == base
    others = {
        training_key(small(lr=0.1), "d"),
        training_key(small(seed=1), "d"),
        training_key(small(), "e"),
    }
    others |= {training_key(small(), "d", "teacher")}
    assert len(others | {base}) == 5
