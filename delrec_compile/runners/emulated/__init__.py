"""Functions of a program for another chip, run here, with exact counts of instructions.

Run this in a child (`delrec_compile.system.child.call`): the emulator is native code, under the GPL.
Instructions are not cycles: flash wait states, caches and dual issue are not modelled.
"""
