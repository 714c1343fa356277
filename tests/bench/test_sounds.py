"""``nacre bench`` on recordings: peers, the run, the tables, files of equal bytes."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from nacre.bench.candidates import candidate
from nacre.bench.equal_bytes import NEAR, closest
from nacre.bench.media import medium_of
from nacre.bench.sound_peers import SOUND_PEERS, as_floats
from nacre.bench.sounds import comparable, identical, sound_distances
from nacre.cli import run
from nacre.errors import InputError
from nacre.media.audio import Audio

pytest.importorskip("matplotlib", reason="the picture needs nacre[bench]")

SOUNDFILE = ("flac", "opus", "vorbis", "mp3")


def recording(rate: int = 16000, channels: int = 1, seconds: float = 1.0, depth: int = 16) -> Audio:
    """A chord that fades, with some noise."""
    time = np.arange(int(rate * seconds)) / rate
    rng = np.random.default_rng(rate + channels)
    parts = []
    for channel in range(channels):
        chord = sum(np.sin(2 * np.pi * hz * (1 + channel / 9) * time) for hz in (220, 331, 1400))
        parts.append(0.2 * chord * np.exp(-time) + 0.01 * rng.normal(size=len(time)))
    top = 2 ** (depth - 1) - 1
    return Audio(np.rint(np.clip(parts, -1, 1) * top).astype(np.int32), rate, depth)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recordings in a tree, and a cover."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    recording(seconds=0.5).save(tmp_path / "in" / "a.wav")
    recording(44100, 2, 0.4).save(tmp_path / "in" / "deep" / "b.flac")
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "cover.png")
    return tmp_path / "in"


def test_songs_beside_a_cover_are_recordings(folder):
    assert medium_of(folder).name == "audio"


@pytest.mark.parametrize("depth", [8, 16, 24])
def test_flac_gives_back_every_sample(depth):
    audio = recording(22050, 2, 0.2, depth)
    data = SOUND_PEERS["flac"].encode(audio, None, 1)
    back = SOUND_PEERS["flac"].decode(data, 1)
    assert identical(audio, back)
    loud = Audio(audio.samples.copy(), 22050, depth)
    loud.samples[1, 7] += 1
    assert not identical(audio, loud)


def test_flac_refuses_floats():
    audio = Audio(np.zeros((1, 9), np.float32), 8000, 32, floating=True)
    with pytest.raises(InputError, match="integers"):
        SOUND_PEERS["flac"].encode(audio, None, 1)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("name", ["opus", "vorbis", "mp3"])
def test_lossy_peers_are_aligned_and_grow_with_quality(name, rate):
    audio = recording(rate, 2, 0.4)
    peer = SOUND_PEERS[name]
    sizes, figures = [], []
    for quality in (peer.qualities[0], peer.qualities[-1]):
        data = peer.encode(audio, quality, 1)
        sizes.append(len(data))
        figures.append(sound_distances(peer, audio, peer.decode(data, 1), quality))
    assert sizes == sorted(sizes)
    best = figures[-1]
    assert (best["lag_samples"], best["missing_samples"]) == (0, 0)
    assert best["si_sdr_db"] > figures[0]["si_sdr_db"]
    assert best["si_sdr_db"] > 10
    assert best["mel_db"] < figures[0]["mel_db"]
    assert best["pcm_bytes"] == 2 * 2 * audio.length


def test_a_lossless_codec_that_is_not_is_a_failure():
    audio = recording()
    wrong = Audio(audio.samples // 2, audio.sample_rate_hz, audio.depth)
    with pytest.raises(InputError, match="is lossless, but"):
        sound_distances(SOUND_PEERS["flac"], audio, wrong, None)


def test_what_came_back_is_compared_at_the_originals_depth_and_length():
    audio = recording()
    floats = as_floats(audio)
    loud = (3 * floats[:, :-5]).astype(np.float32)
    target, estimate, missing = comparable(audio, Audio(loud, 16000, 32, floating=True))
    assert missing == 5
    assert np.array_equal(target, floats)
    assert estimate.max() <= 1 - 2**-15
    assert np.array_equal(estimate * 2**15, np.rint(estimate * 2**15))
    assert not estimate[:, -5:].any()


def test_a_run_says_bytes_and_distances(folder, capsys):
    codecs = "adaptive-audio:effort=1,flac,opus"
    arguments = f"bench in --codecs {codecs} --qualities opus=8,32 --out o --repeat 1"
    assert run(arguments.split()) == 0
    out, err = capsys.readouterr()
    assert out == Path("o/table.md").read_text()
    assert "Nobody listened" in out
    assert err.count("written:") == 3
    records = json.loads(Path("o/records.json").read_text())
    assert len(records) == 2 * (1 + 1 + 2)
    sizes = {
        codec: sum(r["bytes"] for r in records if r["codec"] == codec)
        for codec in ("adaptive-audio:effort=1", "flac")
    }
    pcm = sum(r["pcm_bytes"] for r in records if r["codec"] == "flac")
    assert pcm == 2 * 8000 + 4 * 17640
    flac = 0
    for name in ("a.wav", "deep/b.flac"):
        samples, rate = soundfile.read(folder / name, dtype="int16")
        held = io.BytesIO()
        soundfile.write(held, samples, rate, format="FLAC", compression_level=1.0)
        flac += len(held.getvalue())
    assert sizes["flac"] == flac
    own = sizes["adaptive-audio:effort=1"]
    assert re.search(
        rf"\| adaptive-audio:effort=1 \| {own:,} \| {100 * own / pcm:.2f} % \| "
        rf"{8 * own / (pcm / 2):.4f} \| \{100 * (own / flac - 1):+.2f} % ",
        out,
    )
    for quality in (8, 32):
        rows = [r for r in records if (r["codec"], r["quality"]) == ("opus", quality)]
        kbps = 8 * sum(r["bytes"] for r in rows) / sum(r["seconds"] for r in rows) / 1000
        mean = np.mean([r["si_sdr_db"] for r in rows])
        share = f"{100 * sum(r['bytes'] for r in rows) / flac:.1f} %"
        assert re.search(
            rf"\| opus \| {quality} \| {kbps:.1f} \| [\d.]+ \| {share} \| {mean:.2f} \|", out
        )
    with Image.open("o/rate_distortion.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


def test_files_of_equal_bytes(folder, capsys):
    arguments = "bench in --codecs vorbis,opus --kbps 64 --out o --repeat 1"
    assert run(arguments.split()) == 0
    out = capsys.readouterr().out
    records = json.loads(Path("o/records.json").read_text())
    pairs = {name: {r["codec"]: r for r in records if r["file"] == name} for name in
             {r["file"] for r in records}}  # fmt: skip
    gains = []
    for pair in pairs.values():
        own, other = pair["vorbis"], pair["opus"]
        assert other["aim_bytes"] == own["bytes"]
        assert own["aim_bytes"] == round(8000 * own["seconds"])
        assert abs(other["bytes"] / own["bytes"] - 1) < 0.02
        gains.append(own["si_sdr_db"] - other["si_sdr_db"])
    assert re.search(rf"\| 64 \| opus \| 2 of 2 \| [^|]+ \| \{np.mean(gains):+.2f} \|", out)


def test_the_search_keeps_below_where_it_must():
    audio = recording(seconds=2)
    opus = SOUND_PEERS["opus"]
    sizes: dict[float, int] = {}
    found = closest(opus, audio, 6000, 1, at_most=True, sizes=sizes)
    assert len(opus.encode(audio, found, 1)) == sizes[found]
    assert 5700 < sizes[found] <= 6000
    assert len(sizes) < 13
    near = closest(opus, audio, 7000, 1, at_most=False, sizes=sizes)
    assert abs(sizes[near] / 7000 - 1) < max(NEAR, 0.02)
    assert closest(opus, audio, 10, 1, at_most=True, sizes=sizes) == 6
    assert closest(opus, audio, 10**9, 1, at_most=True, sizes=sizes) == 256


@pytest.mark.parametrize("aim", [1, 137, 1000, 5000, 9999, 10**6])
def test_the_search_meets_any_aim(aim):
    """A codec whose bytes are known: quality q gives 100 times 100^(q / 100)."""
    one = replace(
        SOUND_PEERS["vorbis"], encode=lambda thing, q, threads: bytes(int(100 * 100 ** (q / 100)))
    )
    for at_most in (False, True):
        sizes: dict[float, int] = {}
        found = closest(one, None, aim, 1, at_most=at_most, sizes=sizes)
        if 100 <= aim <= 10000:
            assert abs(sizes[found] / aim - 1) < 0.01
            assert sizes[found] <= aim or not at_most
        else:
            assert found == (0 if aim < 100 else 100)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--codecs flac,opus --kbps 8", "flac has no quality"),
        ("--codecs opus --kbps 0", "above 0"),
        ("--codecs opus --qualities opus=5", "off its scale"),
        ("--codecs flac:level=8", "takes no options"),
        ("--codecs jpeg", "no file of this kind"),
    ],
)
def test_mistakes_are_one_line(folder, capsys, arguments, says):
    (folder / "cover.png").unlink()
    assert run(["bench", "in", "--out", "o", *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert says in err


@pytest.mark.parametrize("name", [name for name in SOUND_PEERS if name not in SOUNDFILE])
def test_programs_where_they_are(name):
    peer = candidate(name)
    audio = recording(44100, 2, 0.4)
    quality = peer.qualities[-1] if peer.qualities else None
    program = {"wav": "wavpack", "fla": "flac", "opt": "ofr", "mon": "mac"}.get(name[:3], "ffmpeg")
    program = "ffmpeg" if name.endswith("ffmpeg") else program
    if shutil.which(program) is None:
        with pytest.raises(InputError, match=f"the program '{program}' is not on the PATH"):
            peer.encode(audio, quality, 1)
        assert peer.software()
        return
    back = peer.decode(peer.encode(audio, quality, 1), 1)
    figures = sound_distances(peer, audio, back, quality)
    assert figures["identical"] or figures["si_sdr_db"] > 10
