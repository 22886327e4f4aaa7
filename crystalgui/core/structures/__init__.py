"""Crystals: value type, files, symmetry, neighbours; hoppings in a room of their own."""
