"""Kernels: a network's step, its trace and its sequences as TIR functions."""
