"""The plan of a conversion."""

from __future__ import annotations

import json

from delrec_compile.network.plan import Plan, PlannedPart


def test_a_plan_is_in_order_while_no_part_is_refused() -> None:
    good = PlannedPart("fc", "Linear", "product 4 -> 8")
    bad = PlannedPart("pool", "MaxPool2d", refused="no MaxPool2d", instead="AvgPool2d")
    plan = Plan("net.nir", "NIR", (good,))
    assert (plan.ok, plan.exit_code, plan.refused) == (True, 0, ())
    plan = Plan("net.nir", "NIR", (good, bad))
    assert (plan.ok, plan.exit_code, plan.refused) == (False, 4, (bad,))
    told = json.loads(json.dumps(plan.as_dict()))
    assert (told["ok"], told["refused"], told["parts"][1]["instead"]) == (False, 1, "AvgPool2d")
