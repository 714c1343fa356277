"""Meshes as integers: connectivity, positions and attributes, coded with models that learn."""
