"""What an artifact is worth: parity, latency, memory, budgets, claims."""
