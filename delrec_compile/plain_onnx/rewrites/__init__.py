"""Operators that the importer lacks -> those that it knows, in the graph itself.

`rewrite.py` walks the graph; the other modules take one kind of operator apart each.
"""
