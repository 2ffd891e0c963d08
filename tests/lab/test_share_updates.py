"""How widgets are kept up to date: one look for all of a slice, and as few as will do."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_lab import ShareWidget
from sublet_lab.share.looks import Seen, SharedLook, shared_look
from sublet_lab.share.updates import UPDATES, Updates

from tests.support.lab_shares import a_share
from tests.support.told_shares import Told, shown


def test_a_slice_that_has_been_idle_is_told_nothing_more_until_it_works_again(told: Told) -> None:
    told.share = a_share(active=False, since=told.at - timedelta(minutes=3))
    widget = ShareWidget(told, now=told.now)
    UPDATES.remove(widget)
    try:
        assert f": idle, as of {told.at.astimezone():%H:%M}" in shown(widget)
        assert "not updated while you are idle" in shown(widget)
        before = shown(widget)
        told.at += timedelta(minutes=1)
        told.share = told.share.model_copy(update={"lent": True, "memory_mib": 9})
        widget.update()
        assert shown(widget) == before
        told.share = a_share(memory_mib=2048)
        widget.update()
        assert "not updated" not in shown(widget)
        assert "as of" not in shown(widget)
    finally:
        widget.close()


def test_what_is_not_new_is_not_sent_and_the_service_not_asked_again(
    told: Told, widget: Any
) -> None:
    changes: list[Any] = []
    for part in (widget.children[0], widget.children[3], widget.children[1].children[0]):
        part.observe(changes.append)
    asked = told.asked
    for _ in range(5):
        widget.update()
    assert changes == []
    assert told.asked == asked
    told.share = a_share(lent=True, active=False, since=datetime.now(UTC))
    widget.update()
    assert told.asked == asked + 1


def test_a_service_that_did_not_answer_is_asked_again_soon_and_one_that_did_after_a_while(
    told: Told,
) -> None:
    told.service_answers = False
    widget = ShareWidget(told, now=told.now)
    UPDATES.remove(widget)
    try:
        assert "jobs" not in shown(widget)
        widget.update()
        assert told.asked == 1
        told.service_answers = True
        told.at += timedelta(seconds=5)
        widget.update()
        assert told.asked == 2
        assert "jobs" in shown(widget)
        told.at += timedelta(seconds=29)
        widget.update()
        assert told.asked == 2
        told.at += timedelta(seconds=1)
        widget.update()
        assert told.asked == 3
    finally:
        widget.close()


@dataclass(eq=False)
class Counted:
    """Something that is kept up to date."""

    told: Told
    fails: bool = False
    shown: threading.Event = field(default_factory=threading.Event)
    retired: threading.Event = field(default_factory=threading.Event)

    @property
    def look(self) -> SharedLook:
        return shared_look(self.told)

    def show(self, seen: Seen) -> None:
        assert seen == self.told.share
        self.shown.set()
        if self.fails:
            message = "it cannot be shown"
            raise RuntimeError(message)

    def retire(self) -> None:
        self.retired.set()


def test_all_widgets_share_one_thread_that_ends_with_the_last(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    updates = Updates(0.01)
    good, bad = Counted(told), Counted(told, fails=True)
    # The one that is left alone comes second: without another the thread would end with it.
    updates.add(good)
    thread = updates._thread
    updates.add(bad)
    assert updates._thread is thread
    assert bad.shown.wait(60)
    good.shown.clear()
    assert good.shown.wait(60)
    updates.remove(good)
    assert thread is not None
    thread.join(60)
    assert not thread.is_alive()
    assert "is left alone now" in caplog.text
    updates.add(good)
    good.shown.clear()
    assert good.shown.wait(60)
    updates.remove(good)


@pytest.fixture
def by_hand() -> Iterator[Updates]:
    """Updates that tick when the test says so."""
    updates = Updates(3600, most=2)
    yield updates
    for widget in tuple(updates._open):
        updates.remove(widget)


def test_a_tick_looks_once_for_all_widgets_of_the_same_slice(by_hand: Updates) -> None:
    told = Told(a_share())
    widgets = [Counted(told), Counted(told)]
    for widget in widgets:
        by_hand.add(widget)
    by_hand.tick()
    assert [widget.shown.is_set() for widget in widgets] == [True, True]
    assert told.looked == 1


def test_only_the_newest_widgets_are_kept_up_to_date_and_the_others_say_that_they_are_not(
    told: Told, by_hand: Updates
) -> None:
    widgets = [ShareWidget(told) for _ in range(4)]
    for widget in widgets:
        UPDATES.remove(widget)
        by_hand.add(widget)
    told.share = a_share(memory_mib=2048)
    by_hand.tick()
    assert ["2 GiB of 40 GiB" in shown(widget) for widget in widgets] == [False, False, True, True]
    retired = ["updated no more: run its cell again" in shown(widget) for widget in widgets]
    assert retired == [True, True, False, False]
    assert "1 GiB of 40 GiB" in shown(widgets[0])
    assert told.asked == 1
    looked = told.looked
    widgets[0].update()
    by_hand.tick()
    assert told.looked == looked + 1
    for widget in widgets:
        widget.close()
