"""Codecs by name: a peer, or one of nacre's own made to look like a peer."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import Any

import numpy as np

import nacre
from nacre import registry
from nacre.bench.mesh_peers import MESH_PEERS
from nacre.bench.metrics import Pixels
from nacre.bench.peers import PEERS, PERCENT, PLANNED, Candidate, find_peer
from nacre.errors import InputError

QUALITIES = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0)
"""Measured of nacre's own codecs when none are asked for."""


def candidate(text: str, *, device: str = "cpu") -> Candidate:
    """A codec by name: a peer, or one of nacre's with options, ``NAME:OPTION=VALUE:...``.

    Options are the codec's settings, and ``model``.

    Raises:
        InputError: no codec has the name, or it has no such option.
        ModelError: its model is not here.

    >>> candidate("jpeg").lossless
    False
    >>> candidate("stored").name
    'stored'
    """
    name, _, rest = text.partition(":")
    if name in MESH_PEERS and not rest:
        return MESH_PEERS[name]
    if name in PEERS or name in PLANNED or name in MESH_PEERS:
        if rest:
            raise InputError(f"peer {name!r} takes no options, {rest!r} was given")
        return find_peer(name)
    return own_candidate(text, device=device)


def own_candidate(text: str, *, device: str = "cpu") -> Candidate:
    """As :func:`candidate`, for nacre's own codecs alone."""
    name, options = split_options(text)
    entry = registry.entry(name)
    model = options.pop("model", None)
    codec = registry.load_codec(name, device=device, model=model)
    known = [field.name for field in dataclasses.fields(codec.settings)]
    for option in options:
        if option not in known:
            raise InputError(f"{text}: {name} has no option {option!r}; it has {', '.join(known)}")
    card = registry.find_model(model or codec.models[0], codec=name) if codec.models else None
    decoder = nacre.Decoder(device, model=model)

    def encode(pixels: Pixels, quality: float | None, threads: int) -> bytes:
        chosen = options if quality is None else {**options, "quality": _plain(quality)}
        return nacre.encode(pixels, codec=name, model=model, device=device, **chosen)

    def decode(data: bytes, threads: int) -> Pixels:
        return np.asarray(decoder.decode(data).pixels)

    has_quality = "quality" in known and "quality" not in options
    words = ", ".join(f"{key} {value}" for key, value in options.items())
    grid = QUALITIES if has_quality else ()
    return Candidate(
        text, entry.medium, entry.lossless, encode, decode, grid, PERCENT, words,
        partial(_own_version, bool(codec.models)), card.id if card else None,
    )  # fmt: skip


def split_options(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the options in ``NAME:OPTION=VALUE:...``.

    Raises:
        InputError: an option is not understood.

    >>> split_options("walloc-rgb:channels=12")
    ('walloc-rgb', {'channels': 12})
    """
    name, _, rest = text.partition(":")
    return name, dict(_option(part, text) for part in rest.split(":")) if rest else {}


def _option(part: str, text: str) -> tuple[str, Any]:
    """``channels=12`` as a name and a number, a truth or a word."""
    name, equals, value = part.partition("=")
    if not name or not equals or not value:
        raise InputError(f"{text}: option {part!r} is not understood; use NAME:OPTION=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _plain(quality: float) -> float:
    """A whole number as an int, as a person would type it."""
    return int(quality) if quality == int(quality) else quality


def _own_version(network: bool) -> str:
    if not network:
        return f"nacre {nacre.__version__}"
    import torch

    return f"nacre {nacre.__version__}, torch {torch.__version__}"
