"""Attributes of Gaussian splats whose positions are known: see ``attributes.py``."""
