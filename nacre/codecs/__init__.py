"""One file a codec; ``base.py`` is the contract, ``nacre/registry.py`` the list."""
