"""The rules of the specification, in one file for each of its chapters."""
