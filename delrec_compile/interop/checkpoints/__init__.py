"""Checkpoints of published training code, told by the keys of their state dicts."""
