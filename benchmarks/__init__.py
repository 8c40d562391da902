"""One command that times the compiled network beside its baselines: `python -m benchmarks`."""
