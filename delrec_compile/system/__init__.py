"""This machine: files, processes, compilers, and missing tools.

May import: aliases and below.
Start reading at: `doctor.py`.
Public: `child.call`, `worker.Worker`, `files.write_atomic`, `host.is_here`, `toolchain.run_cc`,
    `cluster.finished`, `doctor.doctor`.
"""
