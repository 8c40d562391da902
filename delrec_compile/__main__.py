"""`python -m delrec_compile`: the command line."""

from delrec_compile.cli import main

main()
