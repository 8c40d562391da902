"""Engines that take x and return y and spikes, here or on a device.

May import: artifact and below.
Start reading at: `runner.py`.
Public: `runner.Runner`, `runner.Trace`, `session.Session`, `gpu.GpuSession`, `open.open_runner`,
    `predict.run`.
"""
