"""Directories that were made to harm whoever reads them, and what a validator has to say about each."""

from hostile._recipe import RECIPES, Recipe

# Each of these adds its recipes to the table.
from hostile import entries, lines, many, metas, names  # noqa: F401  # isort: skip

__all__ = ["RECIPES", "Recipe"]
