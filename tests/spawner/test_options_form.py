from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from sublet_quota.reasons.ranks import RankCode
from sublet_quota.wire.announcements import ShownAnnouncement
from sublet_quota.wire.rank import tell_rank
from sublet_quota.wire.share import TypeShare
from sublet_spawner.options_form import FormSettings, render_form, render_without_service

from tests.support.fake_service import an_offer, own_share, some_offers

NASTY = "<img src=x onerror=alert(1)>\"'&"


class Reader(HTMLParser):
    """The tags and their attributes, and the text, as a browser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def sizes(self) -> dict[str, dict]:
        return {attrs["value"]: attrs for tag, attrs in self.tags if tag == "input"}


def read(offers, **settings) -> Reader:
    return Reader(render_form(offers, FormSettings(**{"allow_no_gpu": False, **settings})))


def test_no_text_of_a_quota_document_becomes_html():
    offers = some_offers(
        an_offer(NASTY, title=NASTY, pool=NASTY),
        an_offer("x", title=NASTY, allowed=False, why_not=NASTY),
        message=NASTY,
        groups=(NASTY, "other"),
    )
    page = read(offers, warnings=(NASTY,), chosen=NASTY)
    assert {tag for tag, _ in page.tags} <= {
        *("p", "fieldset", "legend", "div", "input", "label", "strong", "span"),
        *("select", "option", "br"),
    }
    assert not [attrs for _, attrs in page.tags if any(name.startswith("on") for name in attrs)]
    assert page.text.count(NASTY) == 7
    assert page.sizes()[NASTY]["type"] == "radio"


def test_what_the_user_is_told_stands_above_the_sizes_and_is_escaped():
    told = ShownAnnouncement(
        announcement_id="a",
        text=NASTY,
        made_at=datetime(2026, 12, 2, 9, tzinfo=UTC),
        until=datetime(2026, 12, 3, 9, tzinfo=UTC),
    )
    own = told.model_copy(update={"text": "your server is ended", "from_admin": False})
    offers = some_offers(an_offer("small")).model_copy(update={"told": (own, told)})
    page = read(offers)
    assert page.text.startswith("From Sublet, 2026-12-02 09:00 UTC: your server is ended")
    assert f"From an admin, 2026-12-02 09:00 UTC: {NASTY}" in page.text
    assert "img" not in {tag for tag, _ in page.tags}


def test_the_service_being_away_is_escaped_too():
    page = Reader(render_without_service(NASTY, FormSettings(allow_no_gpu=True)))
    assert [tag for tag, _ in page.tags] == ["p", "input"]
    assert NASTY in page.text


def test_what_is_left_and_why_others_are_not_offered_is_said():
    offers = some_offers(
        an_offer("small"),
        an_offer("large", allowed=False, why_not="40 GiB asked, 30 GiB left"),
        own=own_share(held_mib=51200, slices=1),
    )
    page = read(offers)
    assert "You may hold up to 80 GiB of GPU memory in at most 2 slices." in page.text
    assert "You hold 50 GiB in 1 slice; 30 GiB left." in page.text
    assert "40 GiB asked, 30 GiB left" in page.text
    assert "10 GiB, 0.25 GPU" in page.text
    assert "disabled" in page.sizes()["large"]
    assert "disabled" not in page.sizes()["small"]


def test_without_limits_no_limit_is_said():
    page = read(
        some_offers(own=own_share(limit_mib=None, most_slices=None, held_mib=1024, slices=1))
    )
    assert "You hold 1 GiB in 1 slice." in page.text
    assert "You may hold" not in page.text


def test_who_holds_nothing_is_told_what_may_be_had():
    assert "in at most 2 slices. You hold nothing now." in read(some_offers()).text
    assert (
        "at most 1 slice. You"
        in read(some_offers(own=own_share(limit_mib=None, most_slices=1))).text
    )


def test_limits_in_cards_are_said_by_type_and_for_all_types_together():
    of_h100 = TypeShare(gpu_type="H100", held=1.5, entitled=0, guaranteed=0, limit=4)
    of_l4 = TypeShare(gpu_type="L4", held=0.25, entitled=0, guaranteed=0, limit=None)
    own = own_share(
        types=(of_h100, of_l4),
        held_cards=1.75,
        limit_cards=6,
        held_mib=1024,
        limit_mib=None,
        slices=3,
        most_slices=None,
    )
    page = read(some_offers(own=own))
    assert "You may hold up to 4 cards of H100, 6 cards in all." in page.text
    assert "3 slices; 2.5 cards of H100, 4.25 cards in all left." in page.text


def test_the_type_of_gpu_is_said_with_what_a_size_comes_to():
    there = an_offer("small", gpu_type="L4", types=("L4", "A100"))
    refused = an_offer("large", types=("A100", "H100"), allowed=False, why_not="no room")
    page = read(some_offers(there, refused))
    assert "10 GiB, 0.25 GPU, L4" in page.text
    assert "10 GiB, 0.25 GPU, A100 or H100" in page.text


def test_a_size_says_whether_it_is_guaranteed_or_makes_way():
    guaranteed = an_offer("small", rank=tell_rank(RankCode.ENTITLED, "science", "L4"))
    borrowed = an_offer("large", rank=tell_rank(RankCode.BORROWED, "science", "H100"), calls_back=3)
    page = read(some_offers(guaranteed, borrowed))
    assert "Guaranteed to science: it waits for no other group's work." in page.text
    assert "Borrowed: it makes way, alive, when somebody who is guaranteed H100 needs" in page.text
    assert "3" not in page.text


def test_what_a_size_is_sure_of_is_read_out_with_it_and_no_part_of_its_name():
    page = read(some_offers(an_offer("small", rank=tell_rank(RankCode.BORROWED))))
    button = page.sizes()["small"]
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert {button["aria-labelledby"], button["aria-describedby"]} <= ids
    assert button["aria-labelledby"] != button["aria-describedby"]


def test_where_nothing_is_guaranteed_to_anybody_none_of_it_is_said():
    text = read(some_offers()).text
    assert "uaranteed" not in text
    assert "orrowed" not in text
    assert "pays" not in text


def test_who_has_several_groups_chooses_the_one_that_pays():
    offers = some_offers(groups=("ml-101", "science"))
    page = read(offers, chosen_group="science")
    (select,) = [attrs for tag, attrs in page.tags if tag == "select"]
    options = [attrs for tag, attrs in page.tags if tag == "option"]
    assert select["name"] == "group"
    assert [option["value"] for option in options] == ["", "ml-101", "science"]
    assert ["selected" in option for option in options] == [False, False, True]
    labels = [attrs["for"] for tag, attrs in page.tags if tag == "label"]
    assert select["id"] in labels


@pytest.mark.parametrize("groups", [(), ("science",)])
def test_who_has_no_choice_of_groups_is_shown_none(groups):
    assert "select" not in {tag for tag, _ in read(some_offers(groups=groups)).tags}


def test_a_group_that_was_chosen_and_is_theirs_no_longer_is_not_preselected():
    page = read(some_offers(groups=("arts", "ml-101")), chosen_group="science")
    assert not [attrs for tag, attrs in page.tags if tag == "option" and "selected" in attrs]


def test_what_is_other_if_one_group_pays_is_said_with_the_size():
    usual = tell_rank(RankCode.ENTITLED, "science", "L4")
    borrowed = tell_rank(RankCode.BORROWED, "ml-101", "L4")
    by_group = {
        "arts": some_offers(an_offer(allowed=False, why_not="arts has 1 card of at most 1.")),
        "ml-101": some_offers(an_offer(rank=borrowed)),
        "science": some_offers(an_offer(rank=usual)),
    }
    offers = some_offers(an_offer(rank=usual), groups=tuple(by_group))
    page = Reader(render_form(offers, FormSettings(allow_no_gpu=False), by_group))
    assert "If ml-101 pays: borrowed." in page.text
    assert "If arts pays: arts has 1 card of at most 1." in page.text
    assert "If science pays" not in page.text


def test_pools_are_named_only_where_there_is_more_than_one():
    assert "pool" not in read(some_offers()).text
    page = read(some_offers(an_offer("small"), an_offer("night", pool="batch")))
    assert "10 GiB, 0.25 GPU, pool batch" in page.text


def test_a_reason_is_read_out_with_the_size_that_is_not_to_be_had():
    page = read(some_offers(an_offer("large", allowed=False, why_not="30 GiB left")))
    described_by = page.sizes()["large"]["aria-describedby"]
    assert [tag for tag, attrs in page.tags if attrs.get("id") == described_by] == ["div"]


@pytest.mark.parametrize(
    ("default", "chosen", "allow_no_gpu", "checked"),
    [
        ("small", None, False, ["small"]),
        ("small", "medium", False, ["medium"]),
        ("small", "large", False, ["small"]),
        ("small", "gone", False, ["small"]),
        ("small", "none", True, ["none"]),
        ("small", "none", False, ["small"]),
        (None, None, True, ["none"]),
        (None, None, False, []),
        ("large", None, False, []),
    ],
)
def test_the_last_choice_is_preselected_where_it_can_be_had(default, chosen, allow_no_gpu, checked):
    offers = some_offers(
        an_offer("small"),
        an_offer("medium"),
        an_offer("large", allowed=False, why_not="too large"),
        default=default,
    )
    page = read(offers, chosen=chosen, allow_no_gpu=allow_no_gpu)
    assert [size for size, attrs in page.sizes().items() if "checked" in attrs] == checked


def test_no_gpu_is_offered_only_where_it_is_allowed():
    assert "none" in read(some_offers(), allow_no_gpu=True).sizes()
    assert "none" not in read(some_offers()).sizes()


def test_a_user_who_can_have_nothing_is_told_so():
    page = read(some_offers(an_offer("small", allowed=False, why_not="no room")))
    assert "No size can be had at this moment" in page.text


def test_a_size_without_room_that_one_can_wait_for_is_to_be_picked_and_says_so():
    offers = some_offers(
        an_offer("small", allowed=False, why_not="No room <b>now</b>", waits=True),
        an_offer("large", allowed=False, why_not="Not for you"),
        default=None,
    )
    page = read(offers)
    assert "disabled" not in page.sizes()["small"]
    assert "disabled" in page.sizes()["large"]
    assert "your server waits in line, and starts by itself" in page.text
    assert "No room <b>now</b>" in page.text
    assert "you can wait in line for some" in page.text
