"""The networks and samples that ship with the package.

May import: nothing.
Start reading at: `README.md`.
Public: data only.
"""
