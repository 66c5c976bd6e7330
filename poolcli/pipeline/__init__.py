"""Recipes, and the engine that applies a recipe to a picture."""
