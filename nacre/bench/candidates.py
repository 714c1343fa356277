"""Codecs by name: a peer, or one of nacre's own made to look like a peer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import nacre
from nacre import registry
from nacre.bench import splats
from nacre.bench.mesh_peers import GRIDS, MESH_PEERS, on_grid
from nacre.bench.peers import BITS, PEERS, PERCENT, Candidate, find_peer
from nacre.bench.sound_peers import SOUND_PEERS
from nacre.bench.triangles import triangles_of
from nacre.errors import InputError

QUALITIES = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0)
"""Measured of nacre's own codecs of pictures when none are asked for."""
SOUND_QUALITIES = (20.0, 30.0, 40.0, 50.0, 60.0, 70.0)
"""And of those of sound."""
INSTEAD = ("kbps", "target_size")
"""Settings of a codec that choose its quality."""


@dataclass(frozen=True)
class _Kind:
    """How nacre's own codecs of a medium are made to look like peers.

    Attributes:
        setting: that qualities are values of.
        grid: qualities that are measured when none are asked for.
        scale: what they are.
        source: what ``nacre.encode`` takes of a thing.
        thing: what the medium compares, of what ``nacre.decode`` gives.
        expected: of the options, a thing and a quality: what must come back of it, up to order.
    """

    setting: str
    grid: tuple[float, ...]
    scale: str
    source: Callable[[Any], Any]
    thing: Callable[[Any], Any]
    expected: Callable[[Mapping[str, Any], Any, float | None], Any] | None = None


_OTHERS = {**MESH_PEERS, **splats.SPLAT_PEERS, **SOUND_PEERS}
_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "image": _Kind(
            "quality", QUALITIES, PERCENT, lambda pixels: pixels, lambda image: image.pixels
        ),
        "mesh": _Kind(
            "bits", GRIDS, BITS, lambda mesh: (mesh.vertices, mesh.faces), triangles_of,
            lambda options, mesh, bits: on_grid(mesh, bits),
        ),
        "splat": _Kind(
            "", (), PERCENT, lambda file: file.splats, lambda splats: splats, splats.on_grid
        ),
        "audio": _Kind(
            "quality", SOUND_QUALITIES, PERCENT, lambda audio: audio, lambda audio: audio
        ),
    }
)  # fmt: skip


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
    if name in PEERS or name in _OTHERS:
        if rest:
            raise InputError(f"peer {name!r} takes no options, {rest!r} was given")
        return _OTHERS[name] if name in _OTHERS else find_peer(name)
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
    # A codec that picks its model says which in each stream.
    named = model is not None or (codec.models and not getattr(codec, "picks_model", False))
    card = registry.find_model(model or codec.models[0], codec=name) if named else None
    decoder = nacre.Decoder(device, model=model)
    kind = _KINDS[entry.medium]
    lossless = entry.lossless or options.get("lossless") is True

    def encode(thing: Any, quality: float | None, threads: int) -> bytes:
        chosen = options if quality is None else {**options, kind.setting: _plain(quality)}
        source = kind.source(thing)
        return nacre.encode(source, codec=name, model=model, device=device, **chosen)

    def decode(data: bytes, threads: int) -> Any:
        return kind.thing(decoder.decode(data))

    if kind.scale == BITS and kind.setting in options:
        raise InputError(f"{text}: bits are asked for by --bits")
    chosen = {kind.setting, *INSTEAD} & options.keys()
    has_quality = kind.setting in known and not chosen and not lossless
    words = ", ".join(f"{key} {value}" for key, value in options.items())
    return Candidate(
        text, entry.medium, lossless, encode, decode, kind.grid if has_quality else (), kind.scale,
        words, partial(_own_version, entry.medium, bool(codec.models)), card.id if card else None,
        None if kind.expected is None else partial(kind.expected, options),
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


def _own_version(medium: str, network: bool) -> str:
    if not network or medium not in ("image", "audio"):
        return f"nacre {nacre.__version__}"
    import torch

    return f"nacre {nacre.__version__}, torch {torch.__version__}"
