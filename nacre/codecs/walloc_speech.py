"""Codec 3, ``walloc-speech``: speech at 16 kHz, lossy, from a few kilobits a second.

The method of ``walloc-stereo`` with frames of 40 ms, for one channel (more are coded too).

Good at: the waveform (SI-SDR) at a given size; latents 25 times a second, in order of frequency.
Bad at: music, which is left without what lies above 8 kHz.

Sections: PAYLOAD (nacre/walloc_audio.py), TAGS and SOUND as carried. docs/walloc-audio.md is the
specification.
"""

from __future__ import annotations

from typing import ClassVar

from nacre.transforms.walloc_audio import SPEECH
from nacre.walloc_audio import Mode
from nacre.walloc_codec import WallocAudio
from nacre.walloc_codec import WallocAudioSettings as WallocAudioSettings


class WallocSpeech(WallocAudio):
    """The codec; see :class:`nacre.codecs.base.LatentCodec` for what its methods promise."""

    name: ClassVar[str] = "walloc-speech"
    number: ClassVar[int] = 3
    models: ClassVar[tuple[str, ...]] = ("walloc-speech",)
    mode: ClassVar[Mode] = Mode(SPEECH, native=(12000, 18000), rate_hz=16000)
