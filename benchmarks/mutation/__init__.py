"""Mutants of what computes and of what reads files, and how many of them the tests notice."""
