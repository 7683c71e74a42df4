"""`python -m forewarn`: the same as the command `forewarn`."""

from forewarn.cli import main

main()
