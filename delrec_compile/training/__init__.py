"""Training on a CPU: the trainable form, its loop, and the way to the frozen network.

May import: artifact and below.
Start reading at: `loop.py`.
Public: `config.TrainConfig`, `loop.train`, `sweep.sweep`.
"""
