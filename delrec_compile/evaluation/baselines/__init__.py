"""What the compiled network is measured against: the same network in other engines.

Every engine comes in one or several forms; `bench` proves that each computes the same outputs,
and takes the fastest. A module here is one engine.
"""
