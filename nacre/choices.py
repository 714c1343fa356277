"""What a call of :func:`nacre.encode` asks for: the codec, and its settings from keywords."""

from __future__ import annotations

import dataclasses
import difflib
import numbers
import types
import typing
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nacre import registry
from nacre.errors import InputError

if TYPE_CHECKING:
    from nacre.codecs.base import Codec


@dataclasses.dataclass(frozen=True)
class Search:
    """How a target of a medium is met: by which module, varying which setting."""

    module: str
    setting: str


SEARCHES = {
    "image": Search("nacre.targets", "quality"),
    "mesh": Search("nacre.mesh_targets", "bits"),
}
"""By medium."""


def choose(codec: str | None, medium: str, lossless: bool) -> registry.CodecEntry:
    """The codec to encode with.

    Raises:
        InputError: there is none, or it cannot be lossless as is asked for.
    """
    if codec is None:
        return registry.default_codec(medium, lossless=lossless)
    entry = registry.entry(codec)
    if lossless and not (entry.lossless or entry.exact):
        raise InputError(f"codec {codec!r} is lossy and was asked to be lossless; leave out one")
    return entry


def settings_of(codec: type[Codec], values: dict[str, object], chosen: Sequence[str]) -> Any:
    """The codec's settings object from keywords.

    Args:
        codec: whose settings they are.
        values: by field name.
        chosen: names of the targets that were given.

    Raises:
        InputError: a name or type that the codec does not know, or a target beside ``quality``.
    """
    hints = typing.get_type_hints(codec.settings)
    known = [field.name for field in dataclasses.fields(codec.settings)]
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else _who_has(name, codec.medium)
            raise InputError(
                f"codec {codec.name!r} has no setting {name!r}; {hint}"
                f"known: {', '.join(known) or 'none'}"
            )
        _check_type(name, value, hints[name])
    search = SEARCHES.get(codec.medium)
    varied = search.setting if search is not None else "quality"
    if chosen and (varied not in known or values.get("lossless")):
        raise InputError(f"codec {codec.name!r} has no {varied} to search for a {chosen[0]}")
    if chosen and (varied in values or len(chosen) > 1):
        both = [*chosen, varied][:2]
        raise InputError(f"{both[0]} and {both[1]} exclude each other; give one")
    return codec.settings(**values)


def _check_type(name: str, value: object, hint: Any) -> None:
    """Raise :class:`InputError` unless ``value`` fits the annotation of a settings field."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        wanted = {int: numbers.Integral, float: numbers.Real}.get(option, option)
        plain = isinstance(option, type)
        if plain and isinstance(value, wanted) and (option is bool or not isinstance(value, bool)):
            return
        if not plain:
            return
    names = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise InputError(f"setting {name!r} is {value!r}; expected {names}")


def _who_has(setting: str, medium: str) -> str:
    """Advice for a setting that only other codecs of nacre's have.

    Only of sound, whose codecs are light to import: others would load torch for a message.
    """
    if medium != "audio":
        return ""
    names = [
        own.name
        for own in registry.CODECS.values()
        if own.medium == medium
        and setting in [each.name for each in dataclasses.fields(_settings_class(own.name))]
    ]
    return f"name a codec that has it ({', '.join(names)}); " if names else ""


def _settings_class(name: str) -> Any:
    return registry.codec_class(name).settings
