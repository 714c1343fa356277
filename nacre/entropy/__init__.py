"""Symbols to bytes and back, under integer tables.

``tables`` holds frequencies, ``coder`` codes symbols whose tables are known beforehand,
``sequential`` does the same inside a compiled loop, ``estimate`` returns bits instead of bytes,
``message`` has what all three share, ``integer`` runs the networks that choose tables,
``trainable`` trains them, and ``priors`` makes tables from CompressAI's entropy models. The bytes
are specified in docs/entropy.md. Nothing is imported here, so that each part costs only what it
needs.
"""
