"""Spike data: the SHD/SSC reader, files of binned samples, and the spoken-digits maker.

May import: ops, targets and below.
Start reading at: `events.py`.
Public: `events.Events`, `sets.load_sets`, `samples.read_samples`, `synth.synthesise`,
    `streaming.StreamingCochlea`.
"""
