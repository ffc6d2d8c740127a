"""Directories that are made to harm their readers, and what a validator must report for each."""

from hostile._recipe import RECIPES, Recipe

# Each of these adds its recipes to the table.
from hostile import entries, lines, many, metas, names  # noqa: F401  # isort: skip

__all__ = ["RECIPES", "Recipe"]
