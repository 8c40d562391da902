"""Latency beside baselines, interleaved in one run."""
