"""Chromium for tests: found, started, watched for errors, and its pages photographed."""

import os
import re
import shlex
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Response,
    expect,
    sync_playwright,
)
from playwright.sync_api import Error as BrowserError

from tests.support import deaf_to_network_changes

PATIENCE_MS = 240_000
"""How long a page may take before a test gives up: the machine may be slow and busy."""
OUTPUT = Path(__file__).parents[2] / "browser-output"
_BELOW_PX = 5
_OF_JUPYTERLAB = re.compile(r"status of 5\d\d .*\((http\S+/lab/api/\S*)\)$", re.DOTALL)
"""A complaint that a route which JupyterLab brings itself, and none of Sublet's, has failed."""
_HUB_PAGES_TAKE_THEIR_TIME = """\
if (location.pathname.startsWith('/hub/')) {
  window.require = { waitSeconds: 0 };
}"""
"""JupyterHub's own pages give their scripts up after seven seconds, which a busy machine may need.
RequireJS takes its settings from what it finds in its place."""


def find_chromium() -> str | None:
    """A Chromium on this machine: the one without windows does the same with less work."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


WHY_NO_BROWSER = (
    "no Chromium here: apt-get install chromium (.ci/install-chromium does it, as root on Debian)"
)


@contextmanager
def chromium(*options: str) -> Iterator[Browser]:
    """Start a browser. Chromium's own sandbox does not work as root."""
    expect.set_options(timeout=PATIENCE_MS)
    is_root = os.geteuid() == 0
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        found = find_chromium()
        assert found is not None, WHY_NO_BROWSER
        browser = playwright.chromium.launch(
            # The sandbox's helper has rights that it would lose, so there it hears of the network.
            executable_path=_deaf_to_network_changes(found, Path(folder)) if is_root else found,
            chromium_sandbox=not is_root,
            # Containers have a small /dev/shm, and no GPU: it would be played by the processor.
            args=["--disable-dev-shm-usage", "--disable-gpu", *options],
        )
        try:
            yield browser
        finally:
            browser.close()


def _deaf_to_network_changes(program: str, folder: Path) -> Path:
    """Give a script that runs a program so that containers' networks do not disturb it."""
    script = folder / "deaf-chromium"
    start = shlex.join([sys.executable, deaf_to_network_changes.__file__, program])
    script.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
    script.chmod(0o755)
    return script


@dataclass(slots=True)
class Visitor:
    """One person's browser: a profile of its own, one page, and what its console complained of."""

    name: str
    context: BrowserContext
    page: Page
    has_logged_in: bool = False
    complaints: list[str] = field(default_factory=list)
    expected: list[re.Pattern[str]] = field(default_factory=list)
    """Complaints that the test at hand brings about on purpose."""
    failed: list[Response] = field(default_factory=list)
    """Answers that said that a server failed."""

    def photograph(self, name: str) -> Path:
        """Keep what the page shows in the output folder."""
        OUTPUT.mkdir(exist_ok=True)
        path = OUTPUT / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def photograph_part(self, name: str, part: Locator, down_to: Locator) -> Path:
        """Keep what one part of the page shows, from its top down to the end of something in it."""
        OUTPUT.mkdir(exist_ok=True)
        path = OUTPUT / f"{name}.png"
        top, end = part.bounding_box(), down_to.bounding_box()
        assert top is not None
        assert end is not None
        height = end["y"] + end["height"] + _BELOW_PX - top["y"]
        self.page.screenshot(path=path, clip={**top, "height": height})
        return path

    def expect_complaint(self, pattern: str) -> None:
        """Say beforehand that the console will complain of something on purpose."""
        self.expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        """What the console complained of although nobody expected it.

        Where a route that is JupyterLab's own failed once, and answers by now, it is told as a
        warning, with what it had answered.
        """
        return [
            self._as_answered(each)
            for each in self.complaints
            if not any(one.search(each) for one in self.expected) and not self._has_passed(each)
        ]

    def _has_passed(self, complaint: str) -> bool:
        found = _OF_JUPYTERLAB.search(complaint)
        if found is None or not self.page.request.get(found[1]).ok:
            return False
        warnings.warn(f"JupyterLab failed once: {self._as_answered(complaint)}", stacklevel=2)
        return True

    def _as_answered(self, complaint: str) -> str:
        """Add to a complaint of an answer what that said."""
        for each in self.failed:
            if each.url in complaint:
                with suppress(BrowserError):
                    return f"{complaint}: {each.text()[:1000]}"
        return complaint

    def forget_complaints(self) -> None:
        """The next test begins with a clean console, and expects nothing of it."""
        self.complaints.clear()
        self.expected.clear()
        self.failed.clear()

    def leave(self) -> None:
        """Close what the page shows: nothing of it goes on."""
        self.page.goto("about:blank")


def new_visitor(
    browser: Browser, name: str, base_url: str | None = None, **options: object
) -> Visitor:
    """Open a profile of its own and a page that is watched."""
    context = browser.new_context(
        **{"base_url": base_url, "viewport": {"width": 1280, "height": 800}, **options}
    )
    context.set_default_timeout(PATIENCE_MS)
    context.set_default_navigation_timeout(PATIENCE_MS)
    context.add_init_script(_HUB_PAGES_TAKE_THEIR_TIME)
    page = context.new_page()
    visitor = Visitor(name, context, page)

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            where = message.location.get("url", "") if message.location else ""
            visitor.complaints.append(f"{message.text} ({where})")

    def answered(response: Response) -> None:
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            visitor.failed.append(response)

    page.on("console", heard)
    page.on("response", answered)
    page.on("pageerror", lambda error: visitor.complaints.append(f"{error.stack or error}"))
    return visitor
