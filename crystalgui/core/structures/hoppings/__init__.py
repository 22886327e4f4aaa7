"""Tight-binding Hamiltonians: value type, readers, writers."""
