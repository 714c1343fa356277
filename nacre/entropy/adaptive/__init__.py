"""Coders of pictures that learn within the file: ``photo`` and ``screen``."""
