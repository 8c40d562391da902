"""Network + target -> artifact.

May import: artifact and below.
Start reading at: `build.py`.
Public: `build.build`, `lower.lower`.
"""
