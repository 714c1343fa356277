"""The page of pictures side by side: what is in it, and what a browser does with it."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

import nacre
from nacre.bench.page import Level, Photo, Picture, lossless_file, make_page
from nacre.cli import run
from nacre.errors import InputError

Capture = pytest.CaptureFixture[str]
Pixels = npt.NDArray[np.uint8]
BROWSER = Path(__file__).with_name("browser.py")
GOLDEN = Path(__file__).parent.parent / "golden" / "common"
NASTY = "</script><img src=x onerror=alert(1)> \"&'.png"


class Page(HTMLParser):
    """What is in a page: every element with its attributes, and the text of captions."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def pictures(self) -> list[Pixels]:
        """Of all ``img`` with a source, as a browser would decode them."""
        return [decoded(each["src"]) for each in self.every("img") if "src" in each]


def decoded(url: str | None) -> Pixels:
    kind, _, data = (url or "").partition(";base64,")
    with PIL.Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as picture:
        assert kind == f"data:image/{(picture.format or '').lower()}"
        return np.asarray(picture)


def read(file: Any) -> Pixels:
    with PIL.Image.open(file) as picture:
        return np.asarray(picture)


def noise(height: int, width: int, channels: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def photo(name: str, pixels: list[Pixels], names: list[str]) -> Photo:
    """The first picture is the original, the others are one level."""
    original = Picture("original", pixels[0], {})
    others = [
        Picture(n, p, {"bytes": "12", "PSNR": "20 dB"})
        for n, p in zip(names, pixels[1:], strict=True)
    ]
    height, width = pixels[0].shape[:2]
    return Photo(name, width, height, original, (Level("12 bytes", tuple(others)),))


def check_closed(text: str) -> Page:
    """A page that nothing outside it takes part in, and in which everything that opens closes."""
    page = Page(text)
    assert page.open == []
    policy = next(each for each in page.every("meta") if "http-equiv" in each)
    assert policy["http-equiv"] == "Content-Security-Policy"
    allowed = dict(part.strip().split(" ", 1) for part in (policy["content"] or "").split(";"))
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"// .*", "", strip_data(text)))
    assert len(page.every("script")) == 1
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert attributes.get("src", "data:")[:5] == "data:"
        assert "href" not in attributes
        assert not any(name.startswith("on") for name in attributes)
    return page


def strip_data(text: str) -> str:
    return re.sub(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", "", text)


def test_the_pictures_in_a_page_are_the_pictures() -> None:
    pixels = [noise(20, 30, 3, seed) for seed in range(3)]
    grey = [noise(9, 7, 1, seed) for seed in range(2)]
    clear = [noise(5, 8, 4, seed) for seed in range(2)]
    photos = [
        photo("a.png", pixels, ["jpeg", "webp"]),
        photo("b.png", grey, ["jpeg"]),
        photo("c.png", clear, ["jpeg"]),
    ]
    plot = lossless_file(noise(30, 40, 3))
    text = make_page("Some pictures", photos, notes=["One & two"], plot=plot)
    page = check_closed(text)
    found = page.pictures()
    # The curves stand before the pictures; grey comes back in three channels.
    expected = [noise(30, 40, 3), *pixels, *(np.repeat(each, 3, axis=2) for each in grey), *clear]
    assert len(found) == len(expected)
    for got, wanted in zip(found, expected, strict=True):
        assert np.array_equal(got, wanted)
    figures = page.every("figure")
    assert [each["data-name"] for each in figures] == [
        *("original", "jpeg", "webp"),
        *("original", "jpeg"),
        *("original", "jpeg"),
    ]
    assert [each["data-level"] for each in figures] == ["", "0", "0", "", "0", "", "0"]
    assert page.texts["figcaption"][:2] == ["original", "jpeg: 12 bytes, PSNR 20 dB"]
    assert "One & two" in page.texts["li"]
    for each, image in zip(figures, page.every("img")[-len(figures) :], strict=True):
        assert each["data-file"] in (image["alt"] or "")


def test_names_and_notes_are_text_whatever_is_in_them() -> None:
    pixels = [noise(4, 4, 3)] * 2
    text = make_page(NASTY, [photo(NASTY, pixels, [NASTY])], notes=[NASTY, "@@plot@@"])
    page = check_closed(text)
    assert page.texts["h1"] == page.texts["title"] == [NASTY]
    assert [each.strip() for each in page.texts["li"]] == [NASTY, "@@plot@@"]
    assert page.every("figure")[1]["data-name"] == page.every("figure")[1]["data-file"] == NASTY
    assert NASTY in page.texts["th"]
    assert "alert(1)" not in "".join(page.texts["script"])


def test_large_pictures_are_cut_to_their_middle_and_the_page_says_so() -> None:
    pixels = [noise(300, 400, 3, seed) for seed in range(3)]
    text = make_page("x", [photo("a.png", pixels, ["b", "c"])], page_bytes=400_000)
    page = check_closed(text)
    assert 200_000 < len(text) < 440_000
    found = page.pictures()
    height, width = found[0].shape[:2]
    assert width / height == pytest.approx(4 / 3, rel=0.02)
    x, y = (400 - width) // 2, (300 - height) // 2
    for got, whole in zip(found, pixels, strict=True):
        assert np.array_equal(got, whole[y : y + height, x : x + width])
    (note,) = page.texts["li"]
    assert note == (
        f"a.png: {width} × {height} of 400 × 300 pixels are shown; figures are of the whole."
    )


def test_a_side_too_long_for_webp_is_png() -> None:
    pixels = noise(2, 16384, 3)
    data = lossless_file(pixels)
    assert data.startswith(b"\x89PNG")
    page = check_closed(make_page("x", [photo("a", [pixels, pixels], ["b"])]))
    assert np.array_equal(page.pictures()[0], pixels)


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(InputError, match="no picture"):
        make_page("x", [])
    with pytest.raises(InputError, match="several sizes"):
        make_page("x", [photo("a", [noise(4, 4, 3), noise(4, 5, 3)], ["b"])])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four smooth pictures with some noise."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    y, x = np.mgrid[:168, :176]
    for seed in range(4):
        waves = [128 + 80 * np.sin(x / (6 + k + seed)) * np.cos(y / 8) for k in range(3)]
        rough = np.random.default_rng(seed).normal(0, 6, (168, 176, 3))
        pixels = np.clip(np.stack(waves, -1) + rough, 0, 255).astype(np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "in" / f"{seed}.png")
    return tmp_path / "in"


def test_bench_shows_codecs_at_matched_bytes(folder: Path, capsys: Capture) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs nacre[bench]")
    pytest.importorskip("pytorch_msssim", reason="the figures need nacre[bench]")
    line = "bench in --codecs jpeg,webp,png --qualities 10,50,90 --repeat 1 --out out"
    assert run([*line.split(), "--reference", "webp"]) == 0
    page = check_closed(Path("out/page.html").read_text())
    figures = page.every("figure")
    assert {each["data-file"] for each in figures} == {"0.png", "2.png", "3.png"}
    assert {each["data-name"] for each in figures} == {"original", "jpeg", "webp"}
    assert np.array_equal(page.pictures()[0], read("out/rate_distortion.png"))
    captions = dict(zip(map(json.dumps, figures), page.texts["figcaption"], strict=True))
    pictures = dict(zip(captions, page.pictures()[1:], strict=True))
    anchors: dict[tuple[Any, Any], int] = {}
    for key, caption in sorted(captions.items(), key=lambda item: "webp" not in item[1]):
        each = json.loads(key)
        source = read(folder / each["data-file"])
        if each["data-name"] == "original":
            assert np.array_equal(pictures[key], source)
            continue
        quality = int(re.search(r"quality (\d+)", caption)[1])
        file = encoded(source, each["data-name"], quality)
        assert f" {len(file):,} bytes," in caption
        assert np.array_equal(pictures[key], read(io.BytesIO(file)))
        level = each["data-file"], each["data-level"]
        if each["data-name"] == "webp":
            assert quality in (10, 50, 90)
            anchors[level] = len(file)
            continue
        # No other quality is much nearer to the bytes of the anchor.
        sizes = [len(encoded(source, "jpeg", other)) for other in range(10, 91)]
        best = min(abs(np.log(size / anchors[level])) for size in sizes)
        assert abs(np.log(len(file) / anchors[level])) <= best + 0.03


def encoded(pixels: Pixels, kind: str, quality: int) -> bytes:
    """As the peers of the benchmark do it."""
    options: dict[str, dict[str, Any]] = {
        "jpeg": {"progressive": True, "optimize": True, "subsampling": "4:2:0"},
        "webp": {"method": 6},
    }
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, kind, quality=quality, **options[kind])
    return out.getvalue()


@pytest.mark.parametrize("more", ["jpeg --qualities 50 --no-page", "png"])
def test_bench_without_a_page(folder: Path, more: str) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs nacre[bench]")
    pytest.importorskip("pytorch_msssim", reason="the figures need nacre[bench]")
    assert run(f"bench in/0.png --repeat 1 --out out --codecs {more}".split()) == 0
    assert Path("out/table.md").exists()
    assert not Path("out/page.html").exists()


def test_compare_says_how_near_pictures_are(folder: Path, capsys: Capture) -> None:
    source = read(folder / "0.png")
    Path("a.jpg").write_bytes(encoded(source, "jpeg", 60))
    Path("a.ncr").write_bytes(nacre.encode(source, codec="stored"))
    assert run(["compare", "in/0.png", "a.jpg", "a.ncr", "--json", "--page", "page.html"]) == 0
    out, err = capsys.readouterr()
    lossy, exact = (json.loads(line) for line in out.splitlines())
    difference = source.astype(float) - read("a.jpg")
    assert lossy["psnr_db"] == pytest.approx(10 * np.log10(255**2 / np.mean(difference**2)))
    assert lossy["bytes"] == Path("a.jpg").stat().st_size
    assert lossy["bpp"] == pytest.approx(8 * lossy["bytes"] / (168 * 176))
    assert (lossy["equal"], exact["equal"], exact["psnr_db"]) == (False, True, "inf")
    assert err == "written: page.html\n"
    page = check_closed(Path("page.html").read_text())
    assert [each["data-name"] for each in page.every("figure")] == ["original", "a.jpg", "a.ncr"]
    for got, wanted in zip(page.pictures(), (source, read("a.jpg"), source), strict=True):
        assert np.array_equal(got, wanted)
    assert f"PSNR {lossy['psnr_db']:.2f} dB" in page.texts["figcaption"][1]
    assert "PSNR exact" in page.texts["figcaption"][2]

    line = "compare in/0.png a.jpg --page page.html --force --region 8,16,40,24"
    assert run(line.split()) == 0
    assert f"a.jpg: {lossy['bytes']:,} bytes, " in capsys.readouterr().out
    page = check_closed(Path("page.html").read_text())
    assert np.array_equal(page.pictures()[0], source[16:40, 8:48])
    assert "40 × 24 of 176 × 168 pixels are shown" in page.texts["li"][-1]


def test_compare_takes_every_kind_of_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: dict[str, Any], capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, pixels in pictures.items():
        nacre.load_image(pixels).save(f"{name}.png")
        Path(f"{name}.ncr").write_bytes(nacre.encode(pixels, codec="stored"))
        assert run(f"compare {name}.png {name}.ncr --page {name}.html".split()) == 0
        assert capsys.readouterr().out.endswith(", equal\n")
        page = check_closed(Path(f"{name}.html").read_text())
        shown = pixels if pixels.dtype == np.uint8 else pixels >> 8
        shown = np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown
        assert np.array_equal(page.pictures()[1], shown)
        assert any("16 bits" in each for each in page.texts["li"]) == (pixels.dtype != np.uint8)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("in/0.png absent.png", "absent.png: No such file"),
        ("in/0.png in", "in: Is a directory"),
        ("in/0.png small.png", "small.png: pictures of 176 x 168 x 3 and 4 x 4 x 3 cannot be"),
        ("in/0.png in/1.png --region 0,0,4,4", "--region is of the page"),
        ("in/0.png in/1.png --page p.html --region 170,0,10,10", "is not in 176 x 168"),
        ("in/0.png in/1.png --page p.html --region 0,0,0,9", "is not in 176 x 168"),
        ("in/0.png in/1.png --page small.png", "small.png exists"),
        ("in/0.png song.ncr", "song.ncr holds no picture"),
        ("in/0.png", "Missing argument"),
    ],
)
def test_a_mistake_in_comparing_is_one_line(
    folder: Path, capsys: Capture, arguments: str, says: str
) -> None:
    PIL.Image.fromarray(noise(4, 4, 3)).save("small.png")
    Path("song.ncr").write_bytes((GOLDEN / "sound.ncr").read_bytes())
    assert run(["compare", *arguments.split()]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert len(err.splitlines()) == 1
    assert not Path("p.html").exists()


@pytest.fixture(scope="module")
def browser() -> None:
    """Skips where there is no QtWebEngine, or it lacks a library of the system."""
    if find_spec("PySide6") is None or find_spec("PySide6.QtWebEngineWidgets") is None:
        pytest.skip("no browser: pip install 'PySide6==6.9.*' brings one")
    probe = [sys.executable, "-c", "import PySide6.QtWebEngineWidgets"]
    if (found := subprocess.run(probe, capture_output=True, text=True, check=False)).returncode:
        pytest.skip(f"the browser cannot be loaded: {found.stderr.splitlines()[-1:]}")


def browse(path: Path, steps: list[list[Any]]) -> list[Any]:
    """What the steps gave; the page asked for nothing, and nothing went wrong in it."""
    done = subprocess.run(
        [sys.executable, str(BROWSER), str(path)],
        input=json.dumps(steps), capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert result["loaded"] == [True]
    assert result["said"] == []
    assert result["asked"] == [path.resolve().as_uri()]
    gave: list[Any] = result["gave"]
    return gave


STATE = """JSON.stringify({
  split: Number(document.getElementById("handle").getAttribute("aria-valuenow")),
  scale: document.getElementById("scale").value,
  crisp: getComputedStyle(document.getElementById("left-picture")).imageRendering,
  stage: (({x, y, width, height}) => [x, y, width, height])(
    document.getElementById("stage").getBoundingClientRect()),
  picture: (({x, y, width, height}) => [x, y, width, height])(
    document.getElementById("left-picture").getBoundingClientRect()),
  right: document.getElementById("right-caption").textContent,
  levels: document.getElementById("level").options.length,
  tables: [...document.querySelectorAll("#figures table")].filter((t) => !t.hidden).length,
  listed: !document.getElementById("pictures").hidden,
  wide: document.documentElement.scrollWidth <= window.innerWidth,
})"""


def choose(select: str, value: str) -> list[str]:
    script = f"""{{ const s = document.getElementById("{select}"); s.value = "{value}";
      s.dispatchEvent(new Event("change")); }}"""
    return ["run", script]


def plain(colour: tuple[int, int, int]) -> Pixels:
    return np.full((200, 300, 3), colour, np.uint8)


def test_a_browser_shows_two_pictures_with_a_border_that_moves(
    browser: None, tmp_path: Path
) -> None:
    red, blue, green, white = (200, 0, 0), (0, 0, 200), (0, 160, 0), (250, 250, 250)
    levels = (
        Level("10 bytes", (Picture("b", plain(blue), {"bytes": "10"}),)),
        Level("20 bytes", (Picture("b", plain(green), {"bytes": "20"}),)),
    )
    first = Photo("a.png", 300, 200, Picture("original", plain(red), {}), levels)
    second = photo(NASTY, [plain(white)] * 2, [NASTY])
    path = tmp_path / "page.html"
    path.write_text(make_page("Colours", [first, second], notes=["n"]), encoding="utf-8")
    shots = [str(tmp_path / f"{number}.png") for number in range(3)]
    state = ["run", STATE]
    before, dragged, keyed, zoomed, panned, other, fitted, phone, nasty = (
        json.loads(each)
        for each in browse(
            path,
            [
                state, ["shot", shots[0]],
                ["drag", 600, 300, 300, 300], state, ["shot", shots[1]],
                ["key", "Right"], ["key", "Right"], ["key", "Left"], state,
                ["wheel", 700, 300, 480], ["wheel", 700, 300, 480], state,
                ["drag", 700, 300, 760, 330], state,
                choose("level", "1"), ["shot", shots[2]], state,
                ["key", "0"], state,
                ["size", 380, 800], state,
                choose("photo", "1"), state,
            ],
        )
        if isinstance(each, str) and each.startswith("{")
    )  # fmt: skip
    x, y, width, _ = before["stage"]
    assert before["split"] == 50
    assert (before["levels"], before["tables"], before["listed"]) == (2, 1, False)
    assert before["right"] == "b: 10 bytes"

    def colours(shot: str, split: float) -> list[tuple[int, ...]]:
        with PIL.Image.open(shot) as picture:
            places = (x + width * split / 100 - 40, x + width * split / 100 + 40)
            return [picture.convert("RGB").getpixel((round(at), round(y + 100))) for at in places]

    assert colours(shots[0], 50) == [red, blue]
    assert dragged["split"] == pytest.approx(100 * (300 - x) / width, abs=1)
    assert colours(shots[1], dragged["split"]) == [red, blue]
    assert keyed["split"] == dragged["split"] + 1

    assert keyed["crisp"] == "pixelated" or float(keyed["scale"].split()[0]) < 150
    assert zoomed["crisp"] == "pixelated"
    growth = zoomed["picture"][2] / keyed["picture"][2]
    assert growth > 2
    for axis, at in ((0, 700), (1, 300)):  # what lies under the pointer stays there
        was = (at - keyed["picture"][axis]) / keyed["picture"][axis + 2]
        now = (at - zoomed["picture"][axis]) / zoomed["picture"][axis + 2]
        assert now == pytest.approx(was, abs=0.01)
    moved = np.subtract(panned["picture"], zoomed["picture"])
    assert moved == pytest.approx([60, 30, 0, 0], abs=1)
    assert panned["split"] == zoomed["split"]

    assert other["right"] == "b: 20 bytes"
    assert other["picture"] == panned["picture"]
    assert colours(shots[2], other["split"]) == [red, green]
    assert fitted["picture"] == pytest.approx(before["picture"], abs=1)
    assert phone["wide"] and phone["picture"][2] <= 380
    assert nasty["right"].startswith(NASTY)
    assert nasty["levels"] == 1
