"""The trials: each module has a function `run`, which is given a `Setting` and yields a `Row` for each thing it did.

A module that is not for both writers says in `WRITERS` for which, or ``("-",)`` for none.
"""
