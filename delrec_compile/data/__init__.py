"""Spike data: the SHD/SSC reader and download, files of binned samples, makers of spoken digits.

May import: ops, targets and below.
Start reading at: `events.py`.
Public: `events.Events`, `sets.load_sets`, `folds.load_folds`, `samples.read_samples`,
    `synth.synthesise`, `streaming.StreamingCochlea`.
"""
