"""Probabilistic circuits: hidden Chow-Liu trees, learned, asked exactly, and coded in integers.

``structure`` and ``em`` learn a tree of floats (``model``), ``queries`` asks it. What the range
coder sees is the integer twin in ``integer``. Source: Liu, Mandt and Van den Broeck, "Lossless
Compression with Probabilistic Circuits", ICLR 2022.
"""
