"""What can be done with each kind of data set, by the kind that its summary names."""

from __future__ import annotations

INPUTS = {"crystals": "crystal", "hoppings": "hoppings", "zones": "zone", "images": "image"}
"""Which `Card.inputs` can learn it."""
NOUNS = {
    "crystals": "crystals",
    "hoppings": "Hamiltonians",
    "zones": "Brillouin zones",
    "images": "images",
}
"""What its rows are called."""
SPLITS = {
    "crystals": ("composition", "element", "prototype", "random"),
    "hoppings": ("given", "random"),
    "zones": ("given", "family", "random"),
    "images": ("given", "random"),
}
"""How it can be divided, the recommended way first."""
ROLLED = frozenset({"zones", "images"})
"""Kinds whose samples can be shifted periodically."""
STACKABLE = frozenset({"hoppings", "images"})
"""Kinds whose networks can be trained as replicas in one batch."""
