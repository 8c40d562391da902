"""One row per target, held to budgets."""
