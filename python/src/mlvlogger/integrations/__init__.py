"""Adapters for training frameworks: each module imports the framework that it is named after, and nothing imports them.

Each takes an `Exp` that is yours: you make it, and your with block ends it.
"""
