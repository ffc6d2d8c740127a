"""Checks of targets, of the experiments in them, and of their streams."""
