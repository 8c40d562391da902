"""Engines that the compiled network is measured against, running the same network.

Every engine comes in one or several forms; `bench` proves that each computes the same outputs,
and takes the fastest. A module here is one engine.
"""
