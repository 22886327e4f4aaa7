"""Widgets that hold a scene."""
