"""The fault sheet: what can go wrong, what is promised then, and how often the promise was kept.

    python -m benchmarks.trust [--only flips] [--full] [--write]

Each row measures one promise on files, processes and code that are made for it. docs/reliability.md
holds the table that this command prints.
"""
