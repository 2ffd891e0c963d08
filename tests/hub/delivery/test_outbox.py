"""What waits to be sent: once to each, again where that failed, and no longer than it is told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sublet_hub.delivery import outbox as module
from sublet_hub.delivery.notice import Notice
from sublet_hub.delivery.outbox import MOST_TRIES, Outbox
from sublet_hub.delivery.own_doings import MOST_OF_ONE, MOST_OF_OWNER, NOT_AGAIN_WITHIN
from sublet_hub.delivery.sender import Channel, Outcomes
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.deliveries import Delivery, DeliveryStore
from sublet_quota.reasons.undelivered import Undelivered
from sublet_quota.wire.announcements import Audience

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 12, 2, 9, tzinfo=UTC)
TO_ADA = Notice(
    Channel.MAIL,
    "n1",
    Audience.OWNER,
    "ada",
    "save your work",
    from_admin=True,
    made_at=NOW,
    until=NOW + timedelta(days=1),
)

OVER_CAP = replace(TO_ADA, notice_id="over-cap-s1", text="over your cap", from_admin=False)


def over_caps(count: int, name: str = "ada") -> list[Notice]:
    """Return what one owner is told of so many slices of theirs."""
    return [replace(OVER_CAP, notice_id=f"over-cap-s{i}", name=name) for i in range(count)]


class HandSender:
    """A way out by hand: answers what a test says, and notes what it was asked to send."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.answer: Undelivered | None = None

    async def send(self, deliveries: Sequence[Delivery]) -> Outcomes:
        self.sent += [each.delivery_id for each in deliveries]
        return {each.delivery_id: self.answer for each in deliveries}

    def close(self) -> None:
        pass


class Post:
    """An outbox with its clock, of which another can be made as after a restart."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.mail = HandSender()
        self.restart()

    def restart(self) -> None:
        self.store = DeliveryStore(self.database)
        self.outbox = Outbox(self.store, {Channel.MAIL: self.mail}, lambda: self.now)

    async def send(self, **later: float) -> int:
        """Let so much time pass and send what is due; return how many were tried."""
        self.now += timedelta(**later)
        before = len(self.mail.sent)
        await self.outbox.send_due(Channel.MAIL)
        return len(self.mail.sent) - before


@pytest.fixture
def post(tmp_path: Path) -> Post:
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    database.migrate()
    return Post(database)


async def test_what_is_told_is_sent_once_however_long_it_is_told_and_after_a_restart(
    post: Post,
) -> None:
    for _ in range(3):
        post.outbox.take([TO_ADA])
        await post.send(seconds=30)
        post.restart()
    assert post.mail.sent == [TO_ADA.delivery_id]
    assert [c.sent for c in post.outbox.told().channels] == [1]


async def test_what_was_not_sent_before_a_restart_is_sent_after_it(post: Post) -> None:
    post.outbox.take([TO_ADA])
    post.restart()
    assert await post.send() == 1


async def test_what_is_told_anew_later_and_to_another_is_sent_again(post: Post) -> None:
    later = replace(TO_ADA, made_at=NOW + timedelta(minutes=5))
    to_bob = replace(TO_ADA, name="bob")
    post.outbox.take([TO_ADA, later, to_bob])
    assert await post.send() == 3


async def test_what_fails_is_tried_again_later_each_time_and_then_given_up(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    until = NOW + timedelta(days=9)
    post.outbox.take([replace(TO_ADA, until=until)])
    post.mail.answer = Undelivered.UNREACHABLE
    tried_at = [post.now for _ in range(24 * 60 * 2) if await post.send(seconds=30)]
    waits = [later - first for first, later in pairwise(tried_at)]
    assert len(tried_at) == MOST_TRIES
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=30), timedelta(hours=1))
    assert post.outbox.given_up == 1
    assert "1 notices by mail are given up: the receiver does not answer" in caplog.text
    assert "save your work" not in caplog.text
    (told,) = post.outbox.told().channels
    assert (told.waiting, told.sent, told.failed) == (0, 0, 1)
    assert told.problem == "the receiver does not answer"


async def test_what_is_refused_for_good_is_tried_once(post: Post) -> None:
    post.outbox.take([TO_ADA])
    post.mail.answer = Undelivered.REFUSED
    assert [await post.send(hours=1) for _ in range(3)] == [1, 0, 0]
    assert post.outbox.given_up == 1


async def test_who_answers_again_gets_what_waited(post: Post) -> None:
    post.outbox.take([TO_ADA])
    post.mail.answer = Undelivered.TRY_LATER
    await post.send()
    post.mail.answer = None
    assert await post.send(minutes=1) == 1
    (told,) = post.outbox.told().channels
    assert (told.sent, told.failed, told.problem) == (1, 0, None)


async def test_what_was_taken_back_before_it_was_sent_is_not_sent(post: Post) -> None:
    post.outbox.take([TO_ADA])
    post.outbox.take([])
    assert await post.send() == 0
    assert not post.store.kept


async def test_what_is_over_before_it_was_sent_is_given_up(post: Post) -> None:
    post.outbox.take([TO_ADA])
    assert await post.send(days=2) == 0
    (kept,) = post.store.kept.values()
    assert kept.problem == Undelivered.TOO_LATE


async def test_by_a_way_that_is_not_set_nothing_waits(post: Post) -> None:
    post.outbox.take([replace(TO_ADA, channel=Channel.WEBHOOK)])
    assert not post.store.kept


async def test_many_go_out_in_parts_the_oldest_first(post: Post) -> None:
    many = [replace(TO_ADA, name=f"user-{i}") for i in range(120)]
    post.outbox.take(many)
    assert [await post.send() for _ in range(4)] == [50, 50, 20, 0]


async def test_no_more_wait_than_there_is_room_for_and_it_is_said(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    post.outbox.take([replace(TO_ADA, name=f"user-{i}") for i in range(5)])
    assert len(post.store.kept) == 3
    assert post.outbox.told().is_full


async def test_one_owner_who_makes_many_notices_takes_no_room_of_others(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", MOST_OF_OWNER + 3)
    for i in range(3 * MOST_OF_OWNER):
        made_at = NOW + i * NOT_AGAIN_WITHIN
        post.now = made_at
        until, slice_id = made_at + timedelta(days=1), f"over-cap-s{i}"
        made = replace(OVER_CAP, notice_id=slice_id, made_at=made_at, until=until)
        post.outbox.take([made])
        await post.send()
    others = [*over_caps(2, "zoe"), TO_ADA]
    post.outbox.take(others)
    assert {each.delivery_id for each in others} <= post.store.kept.keys()
    assert len(post.store.kept) == MOST_OF_OWNER + 3
    assert not post.outbox.told().is_full


async def test_what_is_too_many_is_counted_once_as_given_up_and_told(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        post.outbox.take(over_caps(MOST_OF_OWNER + 4))
    assert post.outbox.given_up_by_reason() == {("mail", "too-many"): 4}
    assert post.outbox.given_up == 4
    assert caplog.text.count("4 notices are given up: its user was sent too many") == 1
    (told,) = post.outbox.told().channels
    assert (told.waiting, told.failed) == (MOST_OF_OWNER, 4)
    assert told.problem == "its user was sent too many of their own doing lately"
    post.now = OVER_CAP.until + timedelta(days=3)
    post.outbox.take([])
    post.outbox.forget_old()
    assert post.outbox.given_up_by_reason() == {}


async def test_of_what_an_admin_says_and_of_reports_none_is_too_many(post: Post) -> None:
    said = [replace(TO_ADA, notice_id=f"n{i}") for i in range(MOST_OF_OWNER)]
    report = replace(OVER_CAP, notice_id="report-2026-W48", report=lambda: "{}")
    post.outbox.take([*over_caps(MOST_OF_OWNER + 1), *said, report])
    assert len(post.store.kept) == 2 * MOST_OF_OWNER + 1
    assert post.outbox.given_up == 1


async def test_what_a_group_is_told_of_its_budget_takes_no_room_of_each_members_own(
    post: Post,
) -> None:
    """Whoever fills one of the two has the other still, and neither fills it for anybody else."""
    members = ("ada", "bea")
    budgets = [
        replace(OVER_CAP, notice_id=f"budget-{i}", name=name)
        for i in range(MOST_OF_OWNER + 2)
        for name in members
    ]
    post.outbox.take(budgets)
    assert (len(post.store.kept), post.outbox.given_up) == (2 * MOST_OF_OWNER, 4)
    own = [*over_caps(MOST_OF_OWNER + 1, "ada"), *over_caps(3, "bea")]
    post.outbox.take([*budgets, *own])
    assert (len(post.store.kept), post.outbox.given_up) == (3 * MOST_OF_OWNER + 3, 5)
    # A budget of one's own is one's own doing.
    post.outbox.take([*budgets, *own, replace(OVER_CAP, notice_id="own-budget-1")])
    assert len(post.store.kept) == 3 * MOST_OF_OWNER + 3


async def test_the_same_again_soon_waits_and_goes_out_if_it_is_told_still(post: Post) -> None:
    told = [
        replace(OVER_CAP, text=text, made_at=NOW + timedelta(minutes=minutes))
        for minutes, text in enumerate(("warned", "warned again", "ended"))
    ]
    for each in told:
        post.now = each.made_at
        post.outbox.take([each])
        await post.send()
    post.now = NOW + NOT_AGAIN_WITHIN
    post.outbox.take([told[-1]])
    await post.send()
    assert post.mail.sent == [told[0].delivery_id, told[-1].delivery_id]
    assert post.outbox.given_up == 0


async def test_the_same_again_soon_goes_out_before_it_is_too_late_to_do_something(
    post: Post,
) -> None:
    """A program that is over its cap, within it, and over it again is ended by the second time."""
    post.outbox.take([replace(OVER_CAP, ends_at=NOW + timedelta(minutes=5))])
    await post.send()
    post.now = NOW + timedelta(minutes=3)
    again = replace(OVER_CAP, made_at=post.now, ends_at=NOW + timedelta(minutes=8))
    for minutes, sent in ((0, 0), (2, 0), (0.5, 1)):
        post.now += timedelta(minutes=minutes)
        post.outbox.take([again])
        assert await post.send() == sent


async def test_what_was_told_by_a_clock_that_was_ahead_keeps_nothing_back(post: Post) -> None:
    post.now = NOW + timedelta(days=1)
    post.outbox.take([replace(OVER_CAP, made_at=post.now)])
    await post.send()
    post.now = NOW
    post.outbox.take([OVER_CAP])
    assert await post.send() == 1


async def test_what_is_told_of_one_thing_again_and_again_takes_no_room_of_the_owners_others(
    post: Post,
) -> None:
    for i in range(2 * MOST_OF_OWNER):
        post.now = NOW + i * NOT_AGAIN_WITHIN
        post.outbox.take([replace(OVER_CAP, made_at=post.now, until=post.now + timedelta(days=1))])
        await post.send()
    assert len(post.mail.sent) == MOST_OF_ONE
    assert post.outbox.given_up == 2 * MOST_OF_OWNER - MOST_OF_ONE
    post.outbox.take([replace(OVER_CAP, notice_id="idle-s2", until=post.now + timedelta(days=1))])
    assert await post.send() == 1


async def test_to_another_and_of_another_the_same_goes_out_at_once(post: Post) -> None:
    later = replace(OVER_CAP, made_at=NOW + timedelta(minutes=1))
    post.outbox.take([OVER_CAP])
    post.now = later.made_at
    of_other = replace(later, notice_id="over-cap-s2")
    post.outbox.take([OVER_CAP, later, of_other, replace(later, name="bob")])
    assert await post.send() == 3


async def test_where_there_is_no_room_for_all_each_has_some(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 4)
    post.outbox.take([*over_caps(4, "ada"), *over_caps(2, "zoe")])
    names = sorted(each.name or "" for each in post.store.kept.values())
    assert names == ["ada", "ada", "zoe", "zoe"]
    assert post.outbox.told().is_full


async def test_what_is_over_for_days_is_forgotten_and_what_may_be_told_still_is_not(
    post: Post,
) -> None:
    post.outbox.take([TO_ADA])
    await post.send()
    post.now = TO_ADA.until + timedelta(days=1)
    post.outbox.forget_old()
    assert post.store.kept
    post.now += timedelta(days=2)
    post.outbox.forget_old()
    assert not post.store.kept


async def test_a_report_is_written_once_a_start_and_kept_until_it_was_sent(post: Post) -> None:
    written: list[str] = []

    def write() -> str:
        written.append("{}")
        return "{}"

    report = replace(TO_ADA, report=write)
    for _ in range(3):
        post.outbox.take([report])
    (kept,) = post.store.kept.values()
    assert (written, kept.report) == (["{}"], "{}")
    post.restart()
    for _ in range(3):
        post.outbox.take([report])
    # Who its receivers were before is not kept.
    assert written == ["{}", "{}"]
    await post.send()
    (kept,) = post.store.kept.values()
    assert (kept.was_sent, kept.report) == (True, "")


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_report_that_waits_tells_of_no_group_that_is_its_receivers_no_more(
    post: Post, *, restarts: bool
) -> None:
    post.mail.answer = Undelivered.TRY_LATER
    of_two = replace(TO_ADA, report=lambda: "nlp, vision", part=frozenset({"nlp", "vision"}))
    post.outbox.take([of_two])
    assert await post.send() == 1
    if restarts:
        post.restart()
    post.outbox.take([replace(TO_ADA, report=lambda: "nlp", part=frozenset({"nlp"}))])
    (kept,) = post.store.kept.values()
    assert (kept.report, kept.attempts, kept.waits) == ("nlp", 1, True)


async def test_while_it_is_not_known_to_whom_reports_go_those_that_wait_are_not_dropped(
    post: Post,
) -> None:
    post.outbox.take([TO_ADA, replace(TO_ADA, name="bob", report=lambda: "{}")])
    post.outbox.take([], reports_known=False)
    assert [each.name for each in post.store.kept.values()] == ["bob"]
    post.outbox.take([])
    assert not post.store.kept


async def test_what_is_tried_now_is_not_kept(post: Post) -> None:
    post.mail.answer = Undelivered.LOGIN_REFUSED
    assert await post.outbox.try_now(TO_ADA) is Undelivered.LOGIN_REFUSED
    assert not post.store.kept


async def test_what_reached_nobody_is_counted_by_way_and_reason_until_it_is_forgotten(
    post: Post,
) -> None:
    post.outbox.take([TO_ADA, replace(TO_ADA, name="bob")])
    assert post.outbox.given_up_by_reason() == {}
    post.mail.answer = Undelivered.REFUSED
    await post.send()
    assert post.outbox.given_up_by_reason() == {("mail", "refused"): 2}
    post.now = TO_ADA.until + timedelta(days=3)
    post.outbox.forget_old()
    assert post.outbox.given_up_by_reason() == {}


async def test_what_is_told_once_is_the_same_whenever_it_is_told_and_until_it_is_told_no_more(
    post: Post,
) -> None:
    once = replace(OVER_CAP, is_told_once=True)
    post.outbox.take([once])
    assert await post.send() == 1
    for _ in range(3):
        post.restart()
        post.outbox.forget_old()
        post.now += timedelta(days=9)
        later = replace(once, made_at=post.now, until=post.now + timedelta(days=1))
        post.outbox.take([later])
        post.outbox.forget_old()
        assert await post.send() == 0
    post.outbox.take([])
    post.outbox.forget_old()
    assert not post.store.kept
