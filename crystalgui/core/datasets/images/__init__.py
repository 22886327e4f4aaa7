"""Data sets of images: readers, storage, rolling, tables for networks."""
