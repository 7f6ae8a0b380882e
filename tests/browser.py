"""Headless Chromium for tests and screenshots: its DevTools protocol through two pipes, without a port or another package.

    with Browser() as browser, browser.open(path, width=390, dark=True) as page:
        page.click("#find"), page.type("dog"), page.press("Tab")
        page.evaluate("document.title")
        page.messages                       # what the console said, refusals of the page's policy included

Keys and clicks are real ones, sent to a page that takes itself for the focused window, whatever the screen shows.
"""

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# The pipes are POSIX's: elsewhere the browser's tests are skipped.
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None) if os.name == "posix" else None
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-pipe"
).split()
PATIENCE = 120  # seconds for any answer: a loaded machine is slow, not broken
# Chromium reads commands from descriptor 3 and writes to 4.
TAKE_PIPES = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
KEYS = {  # what a key is to Chromium: (code, number, text)
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    " ": ("Space", 32, " "),
    "End": ("End", 35, ""),
    "Home": ("Home", 36, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "/": ("Slash", 191, "/"),
}


class Browser:
    """A running Chromium with a profile of its own; close() ends it and removes the profile."""

    def __init__(self):
        self._profile = tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True)
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        trampoline = [sys.executable, "-c", TAKE_PIPES, str(commands), str(answers)]
        with open(pathlib.Path(self._profile.name) / "log.txt", "wb") as log:
            self._process = subprocess.Popen(
                [*trampoline, CHROMIUM, *OPTIONS, f"--user-data-dir={self._profile.name}/profile", "about:blank"],
                pass_fds=(commands, answers),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(commands)
        os.close(answers)
        self._unread, self._number, self._done, self.events = b"", 0, {}, {}

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.close()

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            self.send("Browser.close")
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)  # what is left of its own group
        self._process.wait()
        os.close(self._commands)
        os.close(self._answers)
        self._profile.cleanup()

    def open(self, target, **how):
        """A Page that shows a file's path or a URL; the rest as in Page."""
        return Page(self, target, **how)

    def send(self, method, session=None, **parameters):
        """Do a command of the protocol and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self._commands, text) :]
        number, end = self._number, time.monotonic() + PATIENCE
        while number not in self._done:
            self.read(end)
        answer = self._done.pop(number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def read(self, end):
        """Take in what Chromium says next; fails if that is nothing until the time `end`."""
        ready, _, _ = select.select([self._answers], [], [], max(0, end - time.monotonic()))
        assert ready, f"Chromium hasn't answered for {PATIENCE} s\n{self.log()}"
        data = os.read(self._answers, 1 << 20)
        assert data, f"Chromium has ended\n{self.log()}"
        *whole, self._unread = (self._unread + data).split(b"\0")
        for message in map(json.loads, whole):
            if "id" in message:
                self._done[message["id"]] = message
            else:
                self.events.setdefault(message.get("sessionId"), []).append(message)

    def log(self):
        """The end of what the process said."""
        return (pathlib.Path(self._profile.name) / "log.txt").read_text(encoding="utf-8", errors="replace")[-2000:]


class Page:
    """A tab, loaded.

    width, height  of the window in CSS pixels; scale: pixels of the screen to one of those
    dark           whether the reader's system is; phone: whether it's one, to be touched; script: whether scripts may run
    """

    def __init__(self, browser, target, width=1200, height=900, scale=1, dark=False, phone=False, script=True):
        self.browser = browser
        self._target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.send("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)
        self.send("Emulation.setScriptExecutionDisabled", value=not script)
        self.send("Page.navigate", url=target.as_uri() if isinstance(target, pathlib.Path) else target)
        end = time.monotonic() + PATIENCE
        while not any(event["method"] == "Page.loadEventFired" for event in self._events()):
            browser.read(end)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.browser.send("Target.closeTarget", targetId=self._target)

    def send(self, method, **parameters):
        return self.browser.send(method, self._session, **parameters)

    def _events(self):
        return self.browser.events.get(self._session, [])

    @property
    def messages(self):
        """What was said on the console so far: calls of console.*, uncaught errors, and Chromium's own complaints."""
        self.settle()
        said = []
        for event in self._events():
            about = event["params"]
            if event["method"] == "Runtime.consoleAPICalled":
                said.append(" ".join(str(part.get("value", part.get("description"))) for part in about["args"]))
            elif event["method"] == "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                said.append(f"{details['text']} {details.get('exception', {}).get('description', '')}")
            elif event["method"] == "Log.entryAdded":
                said.append(about["entry"]["text"])
        return said

    def settle(self):
        """Let what is under way be drawn and said. (Where scripts may not run, nothing is.)"""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def evaluate(self, expression):
        """The value of a JavaScript expression (of a promise, what it comes to). The page's policy doesn't apply to it."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, expression):
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"still not so after {PATIENCE} s: {expression}"
            time.sleep(0.02)

    def all(self, selector, what="textContent"):
        """A property of all elements that a selector finds."""
        return self.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map((element) => element.{what})")

    def place(self, selector):
        """The middle of the first element that a selector finds (of its first line), scrolled into sight: (x, y)."""
        return self.evaluate(
            f"""(() => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{ block: "center", behavior: "instant" }});
                const box = element.getClientRects()[0];  // of a link that wraps, the middle of the whole may not be on it
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )

    def point(self, selector):
        """Move the mouse onto an element."""
        x, y = self.place(selector)
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector):
        x, y = self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, *keys):
        for key in keys:
            code, number, text = KEYS[key]
            how = {"key": key, "code": code, "windowsVirtualKeyCode": number}
            self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **how)
            self.send("Input.dispatchKeyEvent", type="keyUp", **how)

    def type(self, text):
        """Write into the focused field."""
        self.send("Input.insertText", text=text)

    def choose(self, selector, value):
        """Take an option of a list: its menu is a window of the system's, so this is done for the user."""
        self.evaluate(
            f"""(() => {{
                const list = document.querySelector({json.dumps(selector)});
                list.value = {json.dumps(value)};
                list.dispatchEvent(new Event("input", {{ bubbles: true }}));
                list.dispatchEvent(new Event("change", {{ bubbles: true }}));
                return list.value === {json.dumps(value)};
            }})()"""
        )

    def names(self):
        """What a screen reader is told: [(role, name)] of the page's accessibility tree, in its order."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"] and "role" in node
        ]

    def screenshot(self):
        """The window as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
