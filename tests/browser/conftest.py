"""One hub and one browser for each module; who visits is watched, and photographed on failure."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import (
    OUTPUT,
    WHY_NO_BROWSER,
    Visitor,
    chromium,
    find_chromium,
    new_visitor,
)
from tests.support.browser_hub import log_in
from tests.support.browser_lab import put_settings
from tests.support.browser_machine import BrowserMachine, browser_machine

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # noqa: ARG001 - pytest's signature
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="package")
def machine() -> Iterator[BrowserMachine]:
    if find_chromium() is None:
        pytest.skip(WHY_NO_BROWSER)
    with browser_machine(speed=4) as running:
        yield running
        running.keep_logs(OUTPUT / "logs")


@pytest.fixture(scope="package")
def browser(machine) -> Iterator[Browser]:  # noqa: ARG001 - its setup needs the event loop
    """Started after the machine and ended before it."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def hub(machine) -> Iterator[BrowserMachine]:
    """The machine, where no server and no job is left from the module before."""
    yield machine
    machine.stop_all()


@pytest.fixture
def visit(request, hub, browser) -> Iterator[Callable[..., Visitor]]:
    """Open a browser of one's own as somebody; its console must stay free of errors."""
    visitors: list[Visitor] = []

    def open_browser(name: str, **options: object) -> Visitor:
        visitors.append(new_visitor(browser, name, hub.places.hub_url, **options))
        return visitors[-1]

    yield open_browser
    for visitor in visitors:
        if request.node.stash.get(FAILED, False):
            visitor.photograph(f"failed-{request.node.name}-{visitor.name}")
        visitor.context.close()
    assert [each for visitor in visitors for each in visitor.unexpected()] == []


@pytest.fixture
def in_lab(visit, hub) -> Callable[..., Visitor]:
    """Open a browser as somebody who has logged in, and whose server runs."""

    def open_lab(name: str, size: str = "small", **options: object) -> Visitor:
        visitor = visit(name, **options)
        # A question of JupyterLab's own would lie over what is photographed.
        put_settings(
            hub.home(name), "@jupyterlab/apputils-extension:notification", fetchNews="false"
        )
        put_settings(hub.home(name), "sublet-lab:share", pollInterval=1)
        hub.start_server(name, size)
        log_in(visitor, hub.settings.password, "/hub/home")
        return visitor

    return open_lab
