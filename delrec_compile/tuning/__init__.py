"""The search for a faster schedule.

May import: compiler, runners, training and below.
Start reading at: `tune.py`.
Public: `tune.tune`, `result.Limits`, `result.Tuned`.
"""
