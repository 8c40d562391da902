"""This machine: files, processes, compilers, emulators' cores, and what is missing here."""
