"""Exit codes of the command line."""

DONE, REFUTED, USAGE, INCOMPLETE, ALTERED = 0, 1, 2, 3, 4
