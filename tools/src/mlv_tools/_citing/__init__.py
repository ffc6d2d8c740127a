"""Statements of experiments, which are kept and signed."""
