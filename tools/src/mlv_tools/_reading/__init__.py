"""Reading trees of experiments and their logs: what `ls`, `show`, `tail` and `clean` know."""
