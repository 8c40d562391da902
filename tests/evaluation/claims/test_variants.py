"""The networks that the claims compare."""

from __future__ import annotations

from fixtures.training import toy_sets
from helpers import refusal

from delrec_compile.errors import UsageError
from delrec_compile.evaluation.claims.measure import claims
from delrec_compile.evaluation.claims.variants import (
    EXTRA_VARIANTS,
    VARIANTS,
    Variant,
    check_own,
    grid,
    select_variants,
    settings_of,
)
from delrec_compile.training.keys import training_key


def test_options_of_one_network_are_checked() -> None:
    taught = select_variants(["conv_delay_taught"])
    check_own({"dense_delay": {"epochs": 2}, "conv_delay_taught": {"hidden": 8}}, taught)
    with refusal(UsageError, "of the network 'conv' alone: allowed: conv_delay_taught, dense_d", 2):
        claims(toy_sets(), variants=taught, own={"conv": {"epochs": 2}})
    with refusal(UsageError, "of the network 'dense_delay' alone: steps is the same for all", 2):
        claims(toy_sets(), variants=taught, own={"dense_delay": {"steps": 2}})
    made = settings_of(["dense_delay.epochs=2", "lr=0.1"], compared=taught)
    assert made == ({"lr": 0.1}, {"dense_delay": {"epochs": 2}})


def test_variants_make_valid_configs() -> None:
    for variant in (*VARIANTS, *EXTRA_VARIANTS, *grid()):
        config = variant.config(1)
        assert config.seed == 1
        assert variant.config(0, 2).epochs == 2
    (fixed,) = select_variants(["conv_fixed"])
    assert fixed.config(0).delays_from == fixed.config(0).epochs == 80
    assert fixed.config(0, 2).delays_from == 2
    assert Variant("late", "late", {"delays_from": 5}).config(0).delays_from == 5
    assert len({training_key(v.config(0), "d", v.teacher) for v in (*VARIANTS, *grid())}) == len(
        (*VARIANTS, *grid())
    )
    with refusal(UsageError, "unknown variant 'dens'; did you mean 'dense'.*allowed", 2):
        select_variants(["dens"])
    with refusal(UsageError, "no variant is specified; allowed: feed_forward, ", 2):
        select_variants([])
    with refusal(UsageError, "no variant is specified; at least one", 2):
        claims(toy_sets(), variants=())
    with refusal(UsageError, "seeds is 0; at least 1", 2):
        claims(toy_sets(), seeds=0)
