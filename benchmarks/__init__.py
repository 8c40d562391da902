"""One command that times the compiled network beside its peers: `python -m benchmarks`."""
