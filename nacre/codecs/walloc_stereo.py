"""Codec 2, ``walloc-stereo``: music and other sound, lossy, from a few kilobits a second.

A lapped transform of frames of 4096 samples, split at attacks; pairs of channels rotated in each
band; coefficients under contexts of time, frequency and the other channel that learn within the
file, from a start that a model file gives; noise where nothing was kept.

Good at: the waveform (SI-SDR) at a given size; latents at 1/4096 of the rate, in order of
importance. Bad at: low delay (a segment is 10 seconds), what only a listener would miss.

Sections: PAYLOAD (nacre/walloc_audio.py), TAGS and SOUND as carried. docs/walloc-audio.md is the
specification.
"""

from __future__ import annotations

from typing import ClassVar

from nacre.transforms.walloc_audio import STEREO
from nacre.walloc_audio import Mode
from nacre.walloc_codec import WallocAudio
from nacre.walloc_codec import WallocAudioSettings as WallocAudioSettings


class WallocStereo(WallocAudio):
    """The codec; see :class:`nacre.codecs.base.LatentCodec` for what its methods promise."""

    name: ClassVar[str] = "walloc-stereo"
    number: ClassVar[int] = 2
    models: ClassVar[tuple[str, ...]] = ("walloc-stereo",)
    mode: ClassVar[Mode] = Mode(STEREO, native=(32000, 50000), rate_hz=44100)
