"""Pictures of a scene as nacre streams inside its stream, and back.

A texture that is a PNG file is deflated; coded as pixels it takes a fraction of that. Kept are its
pixels and metadata, not the bytes of its file. Only what becomes shorter is replaced. The document
says ``"nacre": "image/png"`` of such a picture (see docs/format.md, "The SCENE section").
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre import registry
from nacre.errors import FormatError, InputError
from nacre.limits import Limits
from nacre.registry import load_codec
from nacre.stream import Stream, is_nacre

if TYPE_CHECKING:
    from nacre.media.mesh import Scene

WAYS = ("keep", "lossless", "lossy")
"""Textures as they are; pixels exactly; pixels by the lossy codec at its usual quality."""
PNG, MIME = b"\x89PNG", "image/png"


def pack_textures(scene: Scene, way: str, limits: Limits = Limits.DEFAULT) -> Scene:
    """``scene`` with pictures coded where that makes them shorter.

    Args:
        scene: of meshes.
        way: one of :data:`WAYS`; exactly, only PNG files are coded.
        limits: on the pixels of a picture.

    Raises:
        InputError: another way.
    """
    if way not in WAYS:
        raise InputError(f"textures {way!r}: {', '.join(WAYS)} are possible")
    if way == "keep":
        return scene

    def packed(blob: bytes, entry: dict[str, Any]) -> bytes:
        exact = way == "lossless" or "name" in entry  # a file keeps its kind with its name
        if exact and blob[:4] != PNG:
            return blob
        data = _encoded(blob, exact, limits)
        if data is None or len(data) >= len(blob):
            return blob
        entry["nacre"] = MIME
        return data

    return _mapped(scene, packed)


def unpack_textures(scene: Scene) -> Scene:
    """``scene`` with the pictures that were coded as PNG files.

    Raises:
        FormatError: one is damaged.
    """

    def unpacked(blob: bytes, entry: dict[str, Any]) -> bytes:
        if entry.pop("nacre", None) is None:
            return blob
        if "bufferView" in entry:
            entry["mimeType"] = MIME
        return _decoded(blob)

    return _mapped(scene, unpacked)


def _mapped(scene: Scene, change: Callable[[bytes, dict[str, Any]], bytes]) -> Scene:
    """``scene`` with the bytes of each picture changed; ``change`` may edit its entry."""
    if not scene.blobs:
        return scene
    document: dict[str, Any] = copy.deepcopy(dict(scene.document))
    blobs = list(scene.blobs)
    for entry, place in _pictures(document, len(blobs)):
        blobs[place] = change(blobs[place], entry)
    return dataclasses.replace(scene, document=document, blobs=tuple(blobs))


def _pictures(document: dict[str, Any], blobs: int) -> list[tuple[dict[str, Any], int]]:
    """The entries of pictures, glTF's and files, and the blob of each."""
    found, views = [], document.get("bufferViews", [])
    images, files = document.get("images", []), document.get("files", [])
    if not all(isinstance(each, list) for each in (views, images, files)):
        return []
    for entry in images:
        place = entry.get("bufferView") if isinstance(entry, dict) else None
        if isinstance(place, int) and 0 <= place < len(views) and isinstance(views[place], dict):
            found.append((entry, views[place].get("nacre")))
    found += [(entry, entry.get("blob")) for entry in files if isinstance(entry, dict)]
    seen: set[int] = set()
    once = []
    for entry, place in found:
        if isinstance(place, int) and 0 <= place < blobs and place not in seen:
            seen.add(place)
            once.append((entry, place))
    return once


def _encoded(blob: bytes, exact: bool, limits: Limits) -> bytes | None:
    """The stream of a picture file; None if it is none, or one that would change."""
    from nacre.media.image import load_image

    try:
        image = load_image(blob, limits=limits)
        if image.notes:
            return None
        worker = load_codec(registry.default_codec("image", lossless=exact).name)
        return worker.encode(image, worker.settings()).to_bytes()
    except InputError:
        return None


def _decoded(blob: bytes) -> bytes:
    """The PNG file of a picture's stream."""
    from nacre.media.pillow import to_file

    if not is_nacre(blob[:16]):
        raise FormatError("a texture that should be a stream is none; the file is damaged")
    stream = Stream.from_bytes(blob)
    entry = registry.entry(stream.codec)
    if entry.medium != "image" or stream.items is not None:
        raise FormatError(f"a texture of codec {entry.name!r} is no picture")
    image: Any = load_codec(entry.name, model=stream.model).decode(stream)
    return to_file(image.pixels, image.metadata, Path("texture.png"))
