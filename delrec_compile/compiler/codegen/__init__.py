"""TIR -> object files, C text or GPU code."""
