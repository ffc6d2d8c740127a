"""Adapters for training frameworks. Each module imports the framework that it is named after; nothing imports it.

You create the `Exp` that an adapter logs to, and your `with` block ends it.
"""
