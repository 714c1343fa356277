"""Do things to a page in Chromium (QtWebEngine), in a process of its own: ``browser.py PAGE``.

Steps come as JSON on standard input, what they gave goes as JSON to standard output. A step is
``["run", SCRIPT]`` (gives the value of the script), ``["size", WIDTH, HEIGHT]``,
``["drag", X0, Y0, X1, Y1]``, ``["wheel", X, Y, DELTA]``, ``["key", NAME]`` (all as Qt's events, not
as the page's own) or ``["shot", FILE]``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QTWEBENGINE_DISABLE_SANDBOX", "1")
os.environ["QTWEBENGINE_CHROMIUM_FLAGS"] = (
    os.environ.get("QTWEBENGINE_CHROMIUM_FLAGS", "")
    + " --disable-gpu --force-device-scale-factor=1"
)

from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWebEngineCore import (
    QWebEnginePage,
    QWebEngineProfile,
    QWebEngineUrlRequestInterceptor,
)
from PySide6.QtWebEngineWidgets import QWebEngineView
from PySide6.QtWidgets import QApplication

PATIENCE_MS = 60_000
SETTLE_MS = 150
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


class Requests(QWebEngineUrlRequestInterceptor):
    """Everything that the browser asks for, but for what is in the page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def interceptRequest(self, info: Any) -> None:  # noqa: N802  (Qt's name)
        self.seen.append(info.requestUrl().toString()[:200])


class Page(QWebEnginePage):
    """A page that keeps what the console says."""

    def __init__(self, profile: QWebEngineProfile) -> None:
        super().__init__(profile)
        self.said: list[str] = []

    def javaScriptConsoleMessage(  # noqa: N802  (Qt's name)
        self, level: Any, message: str, line: int, source: str
    ) -> None:
        self.said.append(f"{line}: {message}")


def pause(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def evaluate(page: QWebEnginePage, script: str) -> Any:
    loop, found = QEventLoop(), []

    def done(value: Any) -> None:
        found.append(value)
        loop.quit()

    page.runJavaScript(script, 0, done)
    if not found:
        QTimer.singleShot(PATIENCE_MS, loop.quit)
        loop.exec()
    if not found:
        raise TimeoutError(script)
    return found[0]


def step(view: QWebEngineView, name: str, *arguments: Any) -> Any:
    """Do one thing; what it gave."""
    target = view.focusProxy()
    if name == "run":
        value = evaluate(view.page(), *arguments)
        pause(SETTLE_MS)  # what the script changed has been drawn before the next event
        return value
    if name == "size":
        view.resize(*arguments)
    elif name == "drag":
        first, last = QPoint(*arguments[:2]), QPoint(*arguments[2:])
        QTest.mouseMove(target, first)
        QTest.mousePress(target, LEFT, NONE, first)
        for place in ((first + last) / 2, last):
            pause(30)
            QTest.mouseMove(target, place)
        pause(30)
        QTest.mouseRelease(target, LEFT, NONE, last)
    elif name == "wheel":
        at, delta = QPointF(*arguments[:2]), QPoint(0, arguments[2])
        buttons, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
        event = QWheelEvent(at, at, QPoint(), delta, buttons, NONE, phase, False)
        QApplication.sendEvent(target, event)
    elif name == "key":
        QTest.keyClick(target, getattr(Qt.Key, f"Key_{arguments[0]}"))
    elif name == "shot":
        pause(4 * SETTLE_MS)
        view.grab().save(arguments[0])
    else:
        raise ValueError(name)
    pause(SETTLE_MS)
    return None


def main() -> None:
    steps = json.load(sys.stdin)
    application = QApplication(sys.argv[:1])
    profile = QWebEngineProfile()
    requests, page = Requests(), Page(profile)
    profile.setUrlRequestInterceptor(requests)
    view = QWebEngineView()
    view.setPage(page)
    view.resize(1200, 900)
    view.show()
    loop, loaded = QEventLoop(), []
    page.loadFinished.connect(lambda fine: (loaded.append(fine), loop.quit()))
    QTimer.singleShot(PATIENCE_MS, loop.quit)
    view.load(QUrl.fromLocalFile(str(Path(sys.argv[1]).resolve())))
    loop.exec()
    pause(2 * SETTLE_MS)
    gave = [step(view, *each) for each in steps] if loaded == [True] else []
    print(json.dumps({"loaded": loaded, "gave": gave, "said": page.said, "asked": requests.seen}))
    sys.stdout.flush()
    application.processEvents()
    os._exit(0)  # Qt's own ending of a browser may take seconds, or crash


if __name__ == "__main__":
    main()
