"""nacre: images, audio and 3D into small files with learned models, and back.

    import nacre

    data = nacre.encode("photo.png", quality=60)
    image = nacre.decode(data)
    image.save("back.png")

The names in ``__all__`` are the public ones; they are imported when first used, so that ``import
nacre`` takes milliseconds. Everything else may change without notice.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nacre.api import decode, encode, encode_file, latents, open_recording, symbols
    from nacre.circuits import Circuit
    from nacre.decoding import Decoder
    from nacre.errors import (
        ChecksumMismatch,
        FormatError,
        InputError,
        LimitExceeded,
        ModelError,
        NacreError,
        NotNacre,
        Truncated,
        UnsupportedVersion,
    )
    from nacre.inspection import Info, Report, SectionInfo, info, verify
    from nacre.limits import Limits
    from nacre.media.audio import Audio, load_audio
    from nacre.media.image import Image, load_image
    from nacre.media.image_sets import ImageSet, load_image_set
    from nacre.media.mesh import Attribute, Mesh, Scene, load_mesh
    from nacre.media.metadata import Metadata
    from nacre.pillow_plugin import register_pillow
    from nacre.recordings import Recording

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "Audio",
    "ChecksumMismatch",
    "Circuit",
    "Decoder",
    "FormatError",
    "Image",
    "ImageSet",
    "Info",
    "InputError",
    "LimitExceeded",
    "Limits",
    "Mesh",
    "Metadata",
    "ModelError",
    "NacreError",
    "NotNacre",
    "Recording",
    "Report",
    "Scene",
    "SectionInfo",
    "Truncated",
    "UnsupportedVersion",
    "__version__",
    "decode",
    "encode",
    "encode_file",
    "info",
    "latents",
    "load_audio",
    "load_image",
    "load_image_set",
    "load_mesh",
    "open_recording",
    "register_pillow",
    "symbols",
    "verify",
]

_HOMES = {
    "nacre.api": ("decode", "encode", "encode_file", "latents", "open_recording", "symbols"),
    "nacre.circuits": ("Circuit",),
    "nacre.decoding": ("Decoder",),
    "nacre.errors": (
        "ChecksumMismatch",
        "FormatError",
        "InputError",
        "LimitExceeded",
        "ModelError",
        "NacreError",
        "NotNacre",
        "Truncated",
        "UnsupportedVersion",
    ),
    "nacre.inspection": ("Info", "Report", "SectionInfo", "info", "verify"),
    "nacre.limits": ("Limits",),
    "nacre.media.image": ("Image", "load_image"),
    "nacre.media.image_sets": ("ImageSet", "load_image_set"),
    "nacre.media.audio": ("Audio", "load_audio"),
    "nacre.media.mesh": ("Attribute", "Mesh", "Scene", "load_mesh"),
    "nacre.media.metadata": ("Metadata",),
    "nacre.recordings": ("Recording",),
    "nacre.pillow_plugin": ("register_pillow",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'nacre' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
