"""A headless Chromium, driven without any package, for tests of pages.

Started with ``--remote-debugging-pipe`` it reads commands of the DevTools protocol from its file
descriptor 3 and answers on 4: JSON, each message ended by a zero byte. No port is opened. One
browser serves a session; every test gets a page of its own.
"""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 30.0  # seconds until an answer that does not come is an error

# The browser wants exactly 3 and 4; a process of our own puts them there.
_STARTER = """
import os, sys
read, write = int(sys.argv[1]), int(sys.argv[2])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

# key: (code, number, text)
KEYS = {
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "Home": ("Home", 36, ""),
    "End": ("End", 35, ""),
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    " ": ("Space", 32, " "),
}


def find_browser():
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class BrowserError(RuntimeError):
    """The browser answered with an error, or not at all."""


class Browser:
    """A running browser; leave it by ``close()``, or use it in a ``with`` statement."""

    def __init__(self, executable):
        self._folder = tempfile.mkdtemp(prefix="browser-")
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        high = [fcntl.fcntl(number, fcntl.F_DUPFD, 10) for number in (theirs_in, theirs_out)]
        os.close(theirs_in)
        os.close(theirs_out)
        flags = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-extensions",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._folder}",
            "about:blank",
        )
        command = [sys.executable, "-c", _STARTER, *map(str, high), executable, *flags]
        self._process = subprocess.Popen(
            command,
            pass_fds=high,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for number in high:
            os.close(number)
        self._in, self._out = ours_in, ours_out
        self._rest, self._number, self._events = b"", 0, []
        try:
            self.version = self.send("Browser.getVersion")["product"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, method, session=None, **params):
        """Return the result of one command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(until, method)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._events.append(answer)

    def events(self, session):
        """Return what the browser has told about a page since the last call."""
        own = [event for event in self._events if event.get("sessionId") == session]
        self._events = [event for event in self._events if event.get("sessionId") != session]
        return own

    def wait(self, session, method):
        """Return the parameters of the next event of that name, which may have come already."""
        until = time.monotonic() + PATIENCE
        seen = 0
        while True:
            for event in self._events[seen:]:
                if event.get("sessionId") == session and event.get("method") == method:
                    return event["params"]
            seen = len(self._events)
            self._events.append(self._receive(until, method))

    def _receive(self, until, what):
        while b"\0" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise BrowserError(f"{what}: no answer within {PATIENCE:g} s")
            more = os.read(self._in, 1 << 20)
            if not more:
                raise BrowserError(f"{what}: the browser has ended")
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def page(self):
        """Return a new page; leave it by ``close()``."""
        return Page(self)

    def close(self):
        """End the browser, by force if it does not go, and remove what it wrote."""
        for number in (self._out, self._in):  # it ends when the pipe does
            os.close(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # its helpers are in its group
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Page:
    """One tab, which remembers what the console said and what was asked of the network."""

    def __init__(self, browser):
        self._browser = browser
        self._target = browser.send("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.send("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        self._messages, self._requests = [], []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.emulate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, method, **params):
        """Return the result of one command for this page."""
        return self._browser.send(method, session=self._session, **params)

    def close(self):
        """Close the tab."""
        self._browser.send("Target.closeTarget", targetId=self._target)
        self._browser.events(self._session)

    # ---- looking

    def emulate(self, width=1100, height=800, *, dark=False, phone=False, still=False):
        """Set the size of the window, the scheme, a touch screen, and the wish for no motion."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.send("Emulation.setEmulatedMedia", features=features)

    def goto(self, path, fragment=""):
        """Open a file, and return when it is loaded."""
        self._gather()
        self.send(
            "Page.navigate", url="about:blank"
        )  # a change of the fragment alone loads nothing
        self._browser.wait(self._session, "Page.loadEventFired")
        self._gather()
        self._messages, self._requests = [], []
        self.send("Page.navigate", url=Path(path).resolve().as_uri() + fragment)
        self._browser.wait(self._session, "Page.loadEventFired")

    def evaluate(self, expression):
        """Return the value of an expression of JavaScript; a promise is waited for."""
        found = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            text = details.get("exception", {}).get("description", details["text"])
            raise BrowserError(f"{expression}: {text}")
        return found["result"].get("value")

    def wait_until(self, expression):
        """Return when an expression is true."""
        self.evaluate(
            "new Promise((done, fail) => { const until = performance.now() + "
            f"{PATIENCE * 800}; (function look() {{ if ({expression}) done(true); "
            "else if (performance.now() > until) fail(new Error('never true')); "
            "else setTimeout(look, 10); })(); })"
        )

    def texts(self, selector):
        """Return the texts of all elements that a selector finds."""
        return self.evaluate(
            f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)"
        )

    def screenshot(self, path, *, whole=False):
        """Write what is to be seen, or the whole page, as a PNG."""
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(found["data"]))

    # ---- doing

    def press(self, key, *, shift=False):
        """Press and release a key."""
        code, number, text = KEYS[key]
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 * shift}
        down = {"text": text} if text else {}
        self.send(
            "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **common, **down
        )
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def middle(self, selector):
        """Return the middle of an element in the window, scrolled to if need be."""
        where = self.evaluate(
            f"(e => {{ e.scrollIntoView({{block: 'nearest', inline: 'nearest'}}); "
            "const r = e.getBoundingClientRect(); "
            "return [r.x + r.width / 2, r.y + r.height / 2]; })"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        return {"x": where[0], "y": where[1]}

    def hover(self, selector):
        """Move the mouse to the middle of an element."""
        self.send("Input.dispatchMouseEvent", type="mouseMoved", **self.middle(selector))

    def click(self, selector):
        """Press and release the mouse in the middle of an element."""
        where = {**self.middle(selector), "button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", **where)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", **where)

    def tap(self, selector):
        """Touch the middle of an element."""
        self.send(
            "Input.dispatchTouchEvent", type="touchStart", touchPoints=[self.middle(selector)]
        )
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    # ---- what it said

    def _gather(self):
        for event in self._browser.events(self._session):
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.consoleAPICalled":
                told = [str(arg.get("value", arg.get("description"))) for arg in params["args"]]
                self._messages.append(f"{params['type']}: {' '.join(told)}")
            elif method == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self._messages.append(
                    details.get("exception", {}).get("description", details["text"])
                )
            elif method == "Log.entryAdded":
                self._messages.append(f"{params['entry']['level']}: {params['entry']['text']}")
            elif method == "Network.requestWillBeSent":
                self._requests.append(params["request"]["url"])

    @property
    def messages(self):
        """What the console was told since the page was opened: prints, warnings, errors."""
        self._gather()
        return self._messages

    @property
    def requests(self):
        """The addresses that were asked for since the page was opened, its own among them."""
        self._gather()
        return self._requests
