"""The lossy sound codecs with small models made on the spot: lengths, rates, damage, latents."""

from __future__ import annotations

import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from nacre.codecs.base import Damage, LatentCodec, SoundCodec
from nacre.codecs.walloc_speech import WallocSpeech
from nacre.codecs.walloc_stereo import WallocStereo
from nacre.entropy.audio.spectra_details import speech_details, stereo_details
from nacre.errors import ChecksumMismatch, FormatError, InputError, ModelError, NacreError
from nacre.media.audio import Audio, AudioMetadata, open_audio
from nacre.stream import (
    OpenStream,
    Reader,
    Section,
    SectionKind,
    Stream,
    open_stream,
    write_varint,
)
from nacre.train.walloc_audio import PRESETS, train_walloc_audio
from nacre.walloc_audio import step_code, step_of
from nacre.walloc_codec import WallocAudio, WallocAudioSettings
from nacre.walloc_pieces import resampled, stretches

Settings = WallocAudioSettings


def melody(seconds: float, rate: int = 44100, channels: int = 2, seed: int = 0) -> Audio:
    """Notes with attacks and a little noise, the second channel partly another."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    out = np.zeros((channels, len(time)))
    for number in range(int(seconds * 5) + 1):
        start, pitch = number / 5, 220 * 2 ** (rng.integers(0, 12) / 12)
        since = np.maximum(time - start, 0)
        note = np.sin(2 * np.pi * pitch * since) * np.exp(-4 * since) * (time >= start)
        out += rng.uniform(0.2, 1, (channels, 1)) * note
    out = out * 6000 + rng.normal(size=out.shape) * 30
    return Audio(np.rint(out.clip(-32000, 32000)).astype(np.int32), rate)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[type[WallocAudio], Path]:
    """A model of each codec, learnt from synthetic sound."""
    folder = tmp_path_factory.mktemp("models")
    for index, rate in enumerate((44100, 44100, 16000)):
        melody(2, rate, 2 - index // 2, index).save(folder / f"{index}.wav")
    return {
        codec: train_walloc_audio([folder], folder, codec, PRESETS["tiny"])
        for codec in (WallocStereo, WallocSpeech)
    }


@pytest.fixture(scope="module")
def stereo(models: dict[type[WallocAudio], Path]) -> WallocStereo:
    return WallocStereo(model=models[WallocStereo])


@pytest.fixture(scope="module")
def speech(models: dict[type[WallocAudio], Path]) -> WallocSpeech:
    return WallocSpeech(model=models[WallocSpeech])


def through(codec: WallocAudio, audio: Audio, **settings: Any) -> tuple[int, Audio]:
    """Bytes of the file, and what comes back from it."""
    data = codec.encode(audio, Settings(**settings)).to_bytes()
    return len(data), codec.decode(Stream.from_bytes(data))


def snr_db(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    error = np.square(a.astype(float) - b).sum()
    return float(10 * np.log10(np.square(a.astype(float)).sum() / max(error, 1e-9)))


def test_quality_buys_waveform(stereo: WallocStereo) -> None:
    audio = melody(3)
    sizes, ratios = [], []
    for quality in (10, 30, 50, 70, 90.5):
        size, back = through(stereo, audio, quality=quality, noise=0)
        assert back.shape == audio.shape
        sizes.append(size)
        ratios.append(snr_db(audio.samples, back.samples))
    assert sizes == sorted(sizes)
    assert (np.diff(ratios) > 2).all()
    assert sizes[2] < audio.samples.size * 2 / 20
    assert ratios[2] > 12


def test_info_tells_of_the_payload(stereo: WallocStereo, speech: WallocSpeech) -> None:
    for codec, details, audio in (
        (stereo, stereo_details, melody(0.1, 22050)),
        (speech, speech_details, melody(0.1, 8000)),
    ):
        payload = codec.encode(audio, Settings(reduction=5)).payload
        told = details(payload[:64])
        assert told["coded rate"] == "2/1 of the recording's"
        assert told["latency_samples"] == str(codec.mode.segment // 2)
        assert told["noise"] == "0.59 of what was lost"
        assert told["latents"] == f"the first {-(-codec.mode.geometry.frame * 2 // 5):,}"
        assert details(payload[:3]) == {}


def test_it_is_a_latent_codec(stereo: WallocStereo, speech: WallocSpeech) -> None:
    assert isinstance(stereo, LatentCodec)
    assert isinstance(speech, LatentCodec)
    assert isinstance(speech, SoundCodec)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("length", [0, 1, 2, 63, 64, 4095, 4096, 4097])
def test_every_length_comes_back(stereo: WallocStereo, length: int, channels: int) -> None:
    whole = melody(0.1, channels=channels).samples[:, :length]
    audio = Audio(np.ascontiguousarray(whole), 44100)
    _, back = through(stereo, audio, quality=85)
    assert back.shape == audio.shape
    if length > 60:
        assert snr_db(audio.samples, back.samples) > 15


@pytest.mark.parametrize("past", [0, 1, 63, 64, 65, 400])
def test_lengths_around_a_segment(speech: WallocSpeech, past: int) -> None:
    audio = melody(10.1, 16000, 1)
    audio = Audio(np.ascontiguousarray(audio.samples[:, : 160000 + past]), 16000)
    _, back = through(speech, audio, quality=70, noise=0)
    assert back.shape == audio.shape
    assert snr_db(audio.samples, back.samples) > 15
    seam = slice(160000 - 200, 160000 + past)
    assert snr_db(audio.samples[:, seam], back.samples[:, seam]) > 8


@pytest.mark.parametrize("rate", [1000, 8000, 11025, 22050, 32000, 44056, 48000, 96000, 192000])
def test_every_rate_comes_back(stereo: WallocStereo, speech: WallocSpeech, rate: int) -> None:
    time = np.arange(rate // 2) / rate
    wave = np.rint(8000 * np.sin(2 * np.pi * 300 * time)).astype(np.int32)[None]
    for codec in (stereo, speech):
        _, back = through(codec, Audio(wave, rate), quality=80, noise=0)
        assert back.shape == Audio(wave, rate).shape
        assert snr_db(wave, back.samples) > 15
        low, high = codec.mode.native
        assert bool(back.notes) == (rate >= 4000 and not low <= rate <= high)
        assert 0.85 * low <= codec.mode.ratio(rate) * rate <= 1.2 * high or rate < 4000


def test_depths_and_floats_and_levels(stereo: WallocStereo) -> None:
    audio = melody(0.5)
    for depth in (8, 24, 32):
        scaled = np.round(audio.samples * 2.0 ** (depth - 16)).astype(np.int32)
        _, back = through(stereo, Audio(scaled, 44100, depth), quality=60, noise=0)
        assert back.depth == depth
        assert back.samples.dtype == np.int32
        assert snr_db(scaled, back.samples) > 15
    for level in (1e-3, 1.0, 20.0):
        floats = (audio.samples / 32768 * level).astype(np.float32)
        size, back = through(stereo, Audio(floats, 44100, 32, True), quality=60, noise=0)
        assert back.floating
        assert snr_db(floats, back.samples) > 15
        assert size == pytest.approx(through(stereo, audio, quality=60, noise=0)[0], rel=0.03)


def test_loud_samples_are_clipped_not_wrapped(stereo: WallocStereo) -> None:
    square = np.where(np.arange(6000) // 50 % 2, 32767, -32768).astype(np.int32)[None]
    _, back = through(stereo, Audio(square, 44100), quality=30)
    assert snr_db(square, back.samples) > 6


def test_silence_is_silent_and_small(stereo: WallocStereo) -> None:
    size, back = through(stereo, Audio(np.zeros((2, 441000), np.int32), 44100), noise=1.0)
    assert not back.samples.any()
    assert size < 150


def test_noise_fills_what_was_lost(stereo: WallocStereo) -> None:
    hiss = np.random.default_rng(0).normal(size=(1, 44100)) * 300
    hiss[0] += 9000 * np.sin(np.arange(44100) / 20)
    audio = Audio(np.rint(hiss).astype(np.int32), 44100)

    def treble(samples: npt.NDArray[Any]) -> float:
        return float(np.square(np.abs(np.fft.rfft(samples[0]))[10000:]).sum())

    found = [through(stereo, audio, quality=40, noise=noise) for noise in (0, 0.5, 1)]
    shares = [treble(back.samples) / treble(audio.samples) for _, back in found]
    assert shares[0] < 0.01
    assert 0.15 < shares[1] < 0.4
    assert 0.7 < shares[2] < 1.3
    again = through(stereo, audio, quality=40, noise=1)[1]
    assert np.array_equal(again.samples, found[2][1].samples)


def test_a_span_is_what_the_whole_has_there(stereo: WallocStereo, speech: WallocSpeech) -> None:
    for codec, audio in ((stereo, melody(11, 44100, 1)), (speech, melody(21, 22050, 1))):
        stream = codec.encode(audio, Settings(quality=40))
        whole = codec.decode(stream).samples
        rate = audio.sample_rate_hz
        end = audio.length
        for first, last in ((0, 10), (9 * rate, 11 * rate), (end - rate, end), (5, 5)):
            part = codec.decode_span(stream, first, last).samples
            assert np.abs(part - whole[:, first:last]).max(initial=0) <= 1
        with pytest.raises(InputError):
            codec.decode_span(stream, 5, end + 1)


def with_payload(stream: Stream, payload: bytes) -> Stream:
    """The stream with another payload."""
    section = Section(SectionKind.PAYLOAD, payload)
    return Stream(stream.codec, stream.model, stream.shape, (section,))


def test_damage_costs_its_segment_only(speech: WallocSpeech) -> None:
    audio = melody(31, 16000, 1)
    stream = speech.encode(audio, Settings(quality=50))
    whole = speech.decode(stream).samples
    payload = bytearray(stream.payload)
    payload[len(payload) * 3 // 8] ^= 16  # in the second of four segments, the last one short
    broken = with_payload(stream, bytes(payload))
    with pytest.raises(ChecksumMismatch, match="segment 1"):
        speech.decode(broken)
    damaged: list[Damage] = []
    found = speech.blocks(OpenStream.of(broken), first=3, damaged=damaged)
    back = np.concatenate(list(found), axis=1)
    segment, beside = speech.mode.segment, speech.mode.geometry.overlap
    assert [(each.first, each.last) for each in damaged] == [(segment, 2 * segment)]
    assert back.shape[1] == audio.length - 3
    back = np.pad(back, ((0, 0), (3, 0)))
    assert np.array_equal(back[:, 3 : segment - beside], whole[:, 3 : segment - beside])
    assert np.array_equal(back[:, 2 * segment + beside :], whole[:, 2 * segment + beside :])
    assert not back[:, segment + beside : 2 * segment - beside].any()


def test_what_a_cut_file_still_has_is_played(speech: WallocSpeech, tmp_path: Path) -> None:
    audio = melody(11, 16000, 1)
    stream = speech.encode(audio, Settings(quality=30))
    data = stream.to_bytes()
    with open_stream(data[:-50], partial=True) as cut:
        damaged: list[Damage] = []
        back = np.concatenate(list(speech.blocks(cut, damaged=damaged)), axis=1)
    assert back.shape == audio.samples.shape
    assert [(each.first, each.last) for each in damaged] == [(160000, audio.length)]
    assert "ends inside" in damaged[0].why


def parts_of(payload: bytes) -> tuple[bytes, bytes]:
    """The table of a payload of one segment, without its checksum, and the segment."""
    reader = Reader(payload)
    for _ in range(5):
        reader.varint("head")
    length = reader.varint("length")
    return payload[: reader.position], payload[len(payload) - length :]


def crc_of(data: bytes | bytearray) -> bytes:
    """As it is written."""
    return zlib.crc32(data).to_bytes(4, "little")


def test_damage_is_found(stereo: WallocStereo) -> None:
    stream = stereo.encode(melody(0.4), Settings(quality=40))
    rng = np.random.default_rng(0)
    for where in [*range(12), *rng.integers(12, len(stream.payload), 40)]:
        payload = bytearray(stream.payload)
        payload[where] ^= 1 << int(rng.integers(0, 8))
        with pytest.raises(FormatError):
            stereo.decode(with_payload(stream, bytes(payload)))


def test_hostile_payloads_are_refused_or_decoded(stereo: WallocStereo) -> None:
    """Whatever they say, their checksums being right."""
    stream = stereo.encode(melody(0.4), Settings(quality=40))
    head, segment = parts_of(stream.payload)
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(150):
        table, body = bytearray(head[:5]), bytearray(segment[4:])
        if number % 3 == 0:
            body = body[: rng.integers(0, len(body))]
        elif number % 3 == 1:
            table[rng.integers(0, len(table))] ^= 1 << int(rng.integers(0, 8))
        else:
            body[rng.integers(0, len(body))] ^= 1 << int(rng.integers(0, 8))
        write_varint(table, len(body) + 4)
        payload = bytes(table) + crc_of(table) + crc_of(body) + bytes(body)
        try:
            back = stereo.decode(with_payload(stream, payload))
        except NacreError:
            refused += 1
            continue
        assert back.shape == stream.shape
    assert refused > 50  # what was cut short, at least


def test_targets_are_met(speech: WallocSpeech) -> None:
    audio = melody(2, 16000, 1)
    for kbps in (3.0, 12.0):
        size, _ = through(speech, audio, kbps=kbps)
        assert size == pytest.approx(kbps * 125 * 2, rel=0.04)
    size, _ = through(speech, audio, target_size=2000)
    assert 1900 < size <= 2000
    with pytest.raises(InputError, match="25 bytes is out of reach"):
        speech.encode(audio, Settings(kbps=0.1))
    best = through(speech, audio, kbps=1e6)[0]
    assert best == through(speech, audio, quality=100)[0]
    silence = Audio(np.zeros((1, 50), np.int32), 44100)
    assert through(speech, silence, target_size=9)[0] < 80


def test_blocks_and_readers_do_not_change_the_result(
    stereo: WallocStereo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = melody(12)
    audio.save(tmp_path / "a.wav")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with open_audio(tmp_path / "a.wav") as reader:
        stream = stereo.encode(reader, Settings(quality=30))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert stream.payload == stereo.encode(audio, Settings(quality=30)).payload
    blocks = list(stereo.blocks(OpenStream.of(stream)))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks, axis=1), stereo.decode(stream).samples)


def test_metadata_is_carried(speech: WallocSpeech) -> None:
    audio = melody(0.3, 16000, 1)
    tagged = Audio(audio.samples, 16000, metadata=AudioMetadata((("ARTIST", "a"), ("ARTIST", "b"))))
    _, back = through(speech, tagged)
    assert back.metadata == tagged.metadata


def test_latents_are_by_importance_and_prefixes(stereo: WallocStereo) -> None:
    audio = melody(2)
    stream = stereo.encode(audio, Settings(quality=60))
    latents = stereo.latents(stream)
    frames = -(-audio.length // 4096)
    assert latents.shape == (8192, frames)
    assert latents.dtype == np.float32
    assert np.array_equal(stereo.latents(stream, channels=410), latents[:410])
    assert np.square(latents[:410]).sum() > 0.8 * np.square(latents).sum()
    energy = np.square(audio.samples / 32768).sum()
    assert np.square(latents).sum() == pytest.approx(energy, rel=0.1)  # an orthonormal transform
    symbols = stereo.symbols(stream, channels=410)
    assert np.issubdtype(symbols.dtype, np.integer)
    assert ((symbols != 0) == (latents[:410] != 0)).mean() > 0.99
    with pytest.raises(InputError):
        stereo.latents(stream, channels=8193)
    with pytest.raises(InputError):
        stereo.latents(stereo.encode(melody(0.1, channels=3), Settings()))


@pytest.mark.parametrize(("reduction", "kept"), [(5, 1639), (20, 410)])
def test_a_reduction_keeps_a_prefix(stereo: WallocStereo, reduction: int, kept: int) -> None:
    audio = melody(1)
    hiss = np.random.default_rng(5).normal(size=audio.samples.shape) * 1500
    audio = Audio(audio.samples // 2 + hiss.astype(np.int32), 44100)
    all_of_it = stereo.encode(audio, Settings(quality=60, noise=0))
    stream = stereo.encode(audio, Settings(quality=60, noise=0, reduction=reduction))
    latents = stereo.latents(stream)
    assert len(latents) == kept
    assert len(stream.payload) < len(all_of_it.payload)
    assert latents.any()
    with pytest.raises(InputError):
        stereo.latents(stream, channels=kept + 1)
    assert snr_db(audio.samples, stereo.decode(stream).samples) > 1


def test_settings_and_input_are_checked(stereo: WallocStereo) -> None:
    for wrong in (
        {"quality": -1},
        {"quality": 101.0},
        {"noise": 4},
        {"reduction": 7},
        {"kbps": 0},
        {"target_size": 9, "kbps": 9},
    ):
        with pytest.raises(InputError):
            Settings(**wrong)
    for value in (np.nan, np.inf):
        floats = np.zeros((1, 100), np.float32)
        floats[0, 50] = value
        with pytest.raises(InputError):
            stereo.encode(Audio(floats, 44100, 32, True), Settings())


def test_models_are_checked(
    models: dict[type[WallocAudio], Path], stereo: WallocStereo, tmp_path: Path
) -> None:
    with pytest.raises(ModelError):
        WallocStereo(model=models[WallocSpeech])
    stream = stereo.encode(melody(0.1), Settings())
    other = Stream(stream.codec, b"abc", stream.shape, stream.sections)
    with pytest.raises(ModelError):
        stereo.decode(other)


def test_training_again_gives_the_same_file(
    models: dict[type[WallocAudio], Path], tmp_path: Path
) -> None:
    source = models[WallocSpeech].parent
    again = train_walloc_audio([source], tmp_path, WallocSpeech, PRESETS["tiny"])
    assert again.read_bytes() == models[WallocSpeech].read_bytes()
    with pytest.raises(InputError):
        train_walloc_audio([source], tmp_path, WallocSpeech, PRESETS["tiny"])
    with pytest.raises(InputError):
        train_walloc_audio([tmp_path / "none"], tmp_path / "x", WallocSpeech, PRESETS["tiny"])


def test_steps_and_qualities() -> None:
    assert step_of(step_code(50, 1000)) == pytest.approx(1000, rel=0.02)
    assert step_of(step_code(60, 1000)) == pytest.approx(500, rel=0.02)
    assert step_code(50, 0) == 0
    assert 0 <= step_code(100, 1e-9) <= step_code(0, 1e9) <= 1023


@pytest.mark.parametrize("ratio", [Fraction(2), Fraction(1, 3), Fraction(160, 441)])
def test_resampling_does_not_depend_on_blocks(ratio: Fraction) -> None:
    sound = np.random.default_rng(0).normal(size=(1, 150_000))
    whole = np.concatenate(list(resampled([sound], ratio)), axis=1)
    pieces = (sound[:, i : i + 7001] for i in range(0, sound.shape[1], 7001))
    cut = np.concatenate(list(resampled(pieces, ratio)), axis=1)
    assert whole.shape == cut.shape == (1, -(-150_000 * ratio.numerator // ratio.denominator))
    assert np.allclose(whole, cut, atol=1e-6)


def test_stretches_overlap_and_cover_everything() -> None:
    for length in (1, 9, 10, 11, 12, 13, 20, 35):
        sound = np.arange(1.0, length + 1)[None]
        found = list(stretches((sound[:, i : i + 4] for i in range(0, length, 4)), 10, 2))
        assert [last for _, last in found] == [False] * (len(found) - 1) + [True]
        assert len(found) == -(-length // 10)
        around = np.pad(sound, ((0, 0), (2, 12)))
        for index, (piece, last) in enumerate(found):
            start = 10 * index
            stop = length + 2 if last else start + 14
            assert np.array_equal(piece, around[:, start:stop])
