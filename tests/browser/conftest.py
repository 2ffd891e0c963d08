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
from tests.support.browser_machine import BrowserMachine, browser_machine

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # noqa: ARG001 - pytest's signature
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="module")
def machine(request) -> Iterator[BrowserMachine]:
    if find_chromium() is None:
        pytest.skip(WHY_NO_BROWSER)
    with browser_machine() as running:
        yield running
        running.keep_logs(OUTPUT / "logs" / request.module.__name__.rpartition(".")[2])


@pytest.fixture(scope="module")
def browser(machine) -> Iterator[Browser]:  # noqa: ARG001 - its setup needs the event loop
    """Started after the machine and ended before it."""
    with chromium() as started:
        yield started


@pytest.fixture
def visit(request, machine, browser) -> Iterator[Callable[..., Visitor]]:
    """Open a browser of one's own as somebody; its console must stay free of errors."""
    visitors: list[Visitor] = []

    def open_browser(name: str, **options: object) -> Visitor:
        visitors.append(new_visitor(browser, name, machine.places.hub_url, **options))
        return visitors[-1]

    yield open_browser
    for visitor in visitors:
        if request.node.stash.get(FAILED, False):
            visitor.photograph(f"failed-{request.node.name}-{visitor.name}")
        visitor.context.close()
    assert [each for visitor in visitors for each in visitor.unexpected()] == []
