"""Which codecs there are, found by name or number without importing them.

A codec of nacre's own is one line in :data:`CODECS`. Another package adds one through the
entry-point group ``nacre.codecs``, whose values are codec classes with a number of at least 64::

    [project.entry-points."nacre.codecs"]
    my-codec = "my_package.codec:MyCodec"

Such classes are imported only when a name or number is asked for that nacre itself does not know,
or when all codecs are listed.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre.errors import InputError, ModelError, UnsupportedVersion
from nacre.models import ModelCard as ModelCard
from nacre.models import find_model as find_model
from nacre.models import models as models

if TYPE_CHECKING:
    from nacre.codecs.base import Codec

GROUP = "nacre.codecs"
"""Entry-point group through which other packages add codecs."""

HEAD_BYTES = 64
"""Of a payload, what a codec's ``details`` may look at."""

THIRD_PARTY = range(64, 1 << 32)
"""Codec numbers that nacre will never give to a codec of its own."""


@dataclass(frozen=True)
class CodecEntry:
    """One codec, as far as it is known without importing it.

    Attributes:
        name: as the command line says it.
        number: as a stream says it.
        medium: ``image``, ``audio``, ``mesh``, ``splat`` or ``points``.
        lossless: whether what comes back equals what went in.
        target: ``"module:Class"``.
        summary: one line for ``nacre codecs``.
        exact: whether its settings have ``lossless``, which makes it so.
        details: ``"module:function"`` of what tells ``nacre info`` more: from the first bytes of a
            payload (:data:`HEAD_BYTES` or fewer) to names and texts, light to import; "": nothing.
            Of a codec that is ``exact`` only if asked, ``lossless`` says ``yes`` or ``no``.
            ``latency_samples`` of sound: how many are coded together, at the recording's rate.
    """

    name: str
    number: int
    medium: str
    lossless: bool
    target: str
    summary: str
    details: str = ""
    exact: bool = False


SET_CODECS = {"image": "circuit-image"}
"""The codec that takes sets of a medium when none is named."""

EXACT_FIRST = frozenset(("audio",))
"""Media whose codec is lossless unless a lossy one is named. Of sound there is one for music and
one for speech, and nobody has listened to them."""

# A medium's default codecs are its first lossy and its first lossless one in this order.
CODECS: dict[str, CodecEntry] = {
    entry.name: entry
    for entry in (
        CodecEntry(
            "walloc-rgb",
            1,
            "image",
            False,
            "nacre.codecs.walloc_rgb:WallocRGB",
            "photos by wavelet packets and a learned decoder; latents to learn from",
        ),
        CodecEntry(
            "adaptive-image",
            10,
            "image",
            True,
            "nacre.codecs.adaptive_image:AdaptiveImage",
            "any picture, by a model that learns within the file; no weights",
            "nacre.entropy.adaptive.payload:details",
        ),
        CodecEntry(
            "stored",
            0,
            "image",
            True,
            "nacre.codecs.stored:Stored",
            "pixels as they are; the ceiling of every lossless codec",
        ),
        CodecEntry(
            "circuit-image",
            7,
            "image",
            True,
            "nacre.codecs.circuit_image:CircuitImage",
            "sets of small pictures of one layout, by probabilistic circuits",
            "nacre.entropy.circuits.payload:details",
        ),
        CodecEntry(
            "adaptive-audio",
            11,
            "audio",
            True,
            "nacre.codecs.adaptive_audio:AdaptiveAudio",
            "any recording, by predictors that learn within the file; no weights",
            "nacre.entropy.audio.details:details",
        ),
        CodecEntry(
            "walloc-stereo",
            2,
            "audio",
            False,
            "nacre.codecs.walloc_stereo:WallocStereo",
            "music and other sound by lapped spectra and learned contexts; latents to learn from",
            "nacre.entropy.audio.spectra_details:stereo_details",
        ),
        CodecEntry(
            "walloc-speech",
            3,
            "audio",
            False,
            "nacre.codecs.walloc_speech:WallocSpeech",
            "speech at 16 kHz, as walloc-stereo",
            "nacre.entropy.audio.spectra_details:speech_details",
        ),
        CodecEntry(
            "circuit-mesh",
            8,
            "mesh",
            False,
            "nacre.codecs.circuit_mesh:CircuitMesh",
            "meshes and scenes, connectivity exact; positions on a grid, or exact with --lossless",
            "nacre.entropy.mesh.payload:details",
            exact=True,
        ),
        CodecEntry(
            "circuit-splat",
            9,
            "splat",
            False,
            "nacre.codecs.circuit_splat:CircuitSplat",
            "Gaussian splats of PLY, SPZ and SOG; a file's own integers, or rounded",
            exact=True,
        ),
    )
}
"""nacre's own codecs, by name."""


def entries() -> list[CodecEntry]:
    """All codecs, those of other packages last.

    Raises:
        InputError: a codec of another package cannot be loaded or repeats a name or number.
    """
    return [*CODECS.values(), *third_parties().values()]


def entry(name_or_number: str | int) -> CodecEntry:
    """The codec of that name or number.

    Raises:
        InputError: no codec has the name.
        UnsupportedVersion: no codec has the number (streams name codecs by number).
    """
    for own in CODECS.values():
        if name_or_number in (own.name, own.number):
            return own
    for other in third_parties().values():
        if name_or_number in (other.name, other.number):
            return other
    if isinstance(name_or_number, int):
        origin = (
            "it belongs to another package; install the one that made the stream"
            if name_or_number in THIRD_PARTY
            else "the stream was made by a newer nacre; upgrade with `pip install -U nacre`"
        )
        raise UnsupportedVersion(f"codec number {name_or_number} is not known here: {origin}")
    names = [known.name for known in entries()]
    close = difflib.get_close_matches(name_or_number, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise InputError(f"no codec is called {name_or_number!r}; {hint}known: {', '.join(names)}")


def default_codec(medium: str, *, lossless: bool) -> CodecEntry:
    """The codec that is used when none is named; a lossless one where there is no other.

    Also without ``lossless`` it is a lossless one for the media in :data:`EXACT_FIRST`.

    Raises:
        InputError: there is none for the medium.
    """
    known = [own for own in CODECS.values() if own.medium == medium]
    lossless = lossless or medium in EXACT_FIRST
    for own in known:
        if own.lossless == lossless or (lossless and own.exact):
            return own
    if known and not lossless:
        return known[0]
    kind = "lossless" if lossless else "lossy"
    raise InputError(f"there is no {kind} codec for {medium}; `nacre codecs` lists all")


@functools.cache
def third_parties() -> dict[str, CodecEntry]:
    """Codecs that other installed packages register, by name.

    Raises:
        InputError: one cannot be loaded, has a number below 64, or repeats a name or a
            number.
    """
    found: dict[str, CodecEntry] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        new = _entry_of(point)
        for old in (*CODECS.values(), *found.values()):
            if new.name == old.name or new.number == old.number:
                raise InputError(
                    f"codec {new.name!r} (number {new.number}, {new.target}) repeats the name or "
                    f"number of {old.name!r} (number {old.number}, {old.target}); "
                    "uninstall one of the packages"
                )
        found[new.name] = new
    return found


def _entry_of(point: EntryPoint) -> CodecEntry:
    origin = f"codec {point.name!r} of {point.value}"
    try:
        codec = point.load()
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"{origin} cannot be loaded ({error}); update or uninstall its package"
        ) from error
    try:
        new = CodecEntry(
            name=codec.name,
            number=codec.number,
            medium=codec.medium,
            lossless=codec.lossless,
            target=point.value,
            summary=(inspect.getdoc(codec) or "").partition("\n")[0].rstrip("."),
        )
    except AttributeError as error:
        raise InputError(f"{origin} is not a codec ({error}); see nacre/codecs/base.py") from error
    if new.name != point.name or new.number not in THIRD_PARTY:
        raise InputError(
            f"{origin} calls itself {new.name!r} with number {new.number!r}; expected the name of "
            f"its entry point and a number of at least {THIRD_PARTY[0]}"
        )
    return new


def codec_class(name_or_number: str | int) -> type[Codec]:
    """The class of a codec, imported now; nothing is loaded for it.

    Raises:
        InputError: the codec is not known, or needs a package that is not installed.
    """
    found = entry(name_or_number)
    module, _, name = found.target.partition(":")
    try:
        loaded: type[Codec] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        raise InputError(
            f"codec {found.name!r} needs the module {error.name}, which is not installed"
        ) from error
    return loaded


def load_codec(
    name_or_number: str | int, *, device: str = "cpu", model: str | Path | bytes | None = None
) -> Codec:
    """A codec that is ready to work; the same arguments give the same object.

    Args:
        name_or_number: such as ``"walloc-rgb"`` or ``1``.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or ``auto``: an accelerator if there is one.
            A codec without weights, or whose ``cpu_only`` is true, always works on the CPU.
        model: a model's name, path or id; None is the codec's own default.

    Raises:
        InputError: the codec or the device is not there.
        ModelError: the model is missing, damaged or of another codec, or the codec has no models.

    >>> load_codec("stored") is load_codec(0)
    True
    """
    found = entry(name_or_number)
    loaded = codec_class(found.number)
    if not loaded.models:
        if model is not None:
            raise ModelError(f"codec {found.name!r} has no models, but {model!r} was given")
        return _build(loaded, "cpu", None, "")
    if getattr(loaded, "picks_model", False):
        device = "cpu" if device == "auto" else device
        if model is None:
            return _build(loaded, resolve_device(device), None, "")
    if getattr(loaded, "cpu_only", False):
        device = "cpu"
    card = find_model(loaded.models[0] if model is None else model, codec=found.name)
    return _build(loaded, resolve_device(device), card.path, card.id)


@functools.lru_cache(maxsize=16)
def _build(loaded: Any, device: str, path: Path | None, identity: str) -> Codec:
    """Construct a codec; the model's id is in the key so that a changed file is loaded again."""
    codec: Codec = loaded(device=device, model=path)
    return codec


def resolve_device(device: str) -> str:
    """``device`` if it can be used, or the one that ``auto`` stands for.

    Raises:
        InputError: there is no such device here.
    """
    if device == "cpu":
        return device
    import torch

    if device == "auto":
        if not torch.accelerator.is_available():
            return "cpu"
        found = torch.accelerator.current_accelerator()
        return found.type if found is not None else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(
            f"device {device!r} cannot be used here ({str(error).partition(chr(10))[0]}); "
            "use auto or cpu"
        ) from error
    return device
