"""What the admin of a group may change: cases, each with the one thing that is wrong with it.

institute  (8 H100; limit 12 cards)
├── science  (6 H100; small and medium; each 2 cards; hub-s, hub-a)   administered
│   ├── nlp     (4 H100; whole, too; hub-nlp)
│   └── vision  (hub-v)
└── physics  (2 H100; hub-p)
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from sublet_quota.document.administered import changes
from sublet_quota.document.administered.changes import MOST_ENDS, forbidden_changes
from sublet_quota.document.reading import read_quota_document
from sublet_quota.reasons.forbidden_changes import Forbidden, ForbiddenChange, forbidden_words

NOW = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
BEFORE = """
gpu_types: {H100: {match: "*H100*"}, L4: {match: "*L4*"}}
sizes:
  - {name: small, memory: 1/4, compute: 1/4, default: true}
  - {name: medium, memory: 1/2, compute: 1/2}
  - {name: large, memory: 3/4, compute: 3/4}
  - {name: whole, memory: 1, compute: 1, for: [nlp, physics]}
everyone: {limit: {cards: 1}, jobs: {types: [], max_run: 8h}, max_idle: 4h}
groups:
  institute:
    members: []
    guaranteed: {H100: 8}
    limit: {cards: 12}
    groups:
      science:
        members: [hub-s, hub-a]
        guaranteed: {H100: 6}
        sizes: [small, medium]
        jobs: {types: [L4], most: 10}
        each: {limit: {cards: 2}, jobs: {most: 3}}
        budget: {hours: 1000}
        admins: {users: [ada]}
        groups:
          nlp: {members: [hub-nlp], guaranteed: {H100: 4}, each: {limit: {cards: 3}}}
          vision: {members: [hub-v], limit: {H100: 2}}
      physics: {members: [hub-p], guaranteed: {H100: 2}}
exceptions:
  - {who: [user-17], set: {limit: {cards: 4}}, why: deadline}
  - {groups: [vision], set: {limit: {H100: 4}}, until: 2026-12-20, why: a paper}
  - {groups: [science], set: {each: {limit: {cards: 3}}}, until: 2026-12-09, why: a week}
reservations:
  - {name: course, for: vision, guaranteed: {H100: 1}, at: "Mon 14:00-16:00"}
  - {name: physics course, for: physics, guaranteed: {H100: 1}, at: "Tue 14:00-16:00"}
"""
Values = dict[str, Any]
Edit = Callable[[Values], Any]


def science(values: Values) -> Values:
    found: Values = values["groups"]["institute"]["groups"]["science"]
    return found


def after(edit: Edit) -> str:
    values = yaml.load(BEFORE.replace("2026-12-", "d2026-12-"), yaml.SafeLoader)
    edit(values)
    return yaml.safe_dump(values, sort_keys=False).replace("d2026-12-", "2026-12-")


def found(edit: Edit, *groups: str) -> list[tuple[str, tuple[str, ...]]]:
    before, changed = read_quota_document(BEFORE), read_quota_document(after(edit))
    told = forbidden_changes(before, changed, groups or ("science",), NOW)
    return [(each.code.value, each.names) for each in told]


def child(**values: Any) -> Edit:
    """Set the keys of vision."""
    return lambda whole: science(whole)["groups"]["vision"].update(values)


def exception(**values: Any) -> Edit:
    return lambda whole: whole["exceptions"].append({"why": "a paper", **values})


ALLOWED: list[tuple[str, Edit]] = [
    ("nothing", lambda _: None),
    ("a weight below", child(weight=5)),
    ("a limit below lifted", child(limit={"H100": "unlimited"})),
    ("a guarantee that fits", child(guaranteed={"H100": 1})),
    ("less than before", child(each={"limit": {"cards": 1}}, sizes=["small"])),
    ("what the group itself gives", child(each={"limit": {"cards": 2}}, jobs={"types": ["L4"]})),
    ("a budget within the group's", child(budget={"hours": 5000})),
    ("admins below", child(admins={"users": ["vic"], "groups": ["hub-leads"]})),
    (
        "another group in it",
        lambda whole: science(whole)["groups"].update(new={"members": ["hub-a"], "weight": 2}),
    ),
    (
        "a group that is moved below another",
        lambda whole: science(whole)["groups"]["vision"].update(
            groups={"inner": {"members": ["hub-a"]}}
        ),
    ),
    (
        "a group that goes, whose members another takes",
        lambda whole: (
            science(whole)["groups"].pop("vision"),
            science(whole)["groups"].update(new={"members": ["hub-v"]}),
            whole["exceptions"].pop(1),
            whole["reservations"].pop(0),
        ),
    ),
    ("an exception of what is below", exception(groups=["vision"], set={"weight": 3})),
    (
        "an exception that goes",
        lambda whole: whole["exceptions"].pop(1),
    ),
    ("a reservation that goes", lambda whole: whole["reservations"].pop(0)),
    (
        "more while the group itself gives more",
        exception(groups=["vision"], until="2026-12-08", set={"each": {"limit": {"cards": 3}}}),
    ),
]


@pytest.mark.parametrize("edit", [edit for _, edit in ALLOWED], ids=[name for name, _ in ALLOWED])
def test_what_stays_within_the_group_is_theirs_to_change(edit: Edit) -> None:
    assert found(edit) == []


OUTSIDE: list[tuple[str, Edit, str]] = [
    (
        "the group's own guarantee",
        lambda whole: science(whole).update(guaranteed={"H100": 5}),
        "groups.institute.groups.science.guaranteed.H100",
    ),
    (
        "the group's own limit",
        lambda whole: science(whole).update(limit={"cards": 50}),
        "groups.institute.groups.science.limit.cards",
    ),
    (
        "the group's own admins",
        lambda whole: science(whole).update(admins={"users": ["ada", "bob"]}),
        "groups.institute.groups.science.admins.users",
    ),
    (
        "the group's own weight",
        lambda whole: science(whole).update(weight=9),
        "groups.institute.groups.science.weight",
    ),
    (
        "the group's own members",
        lambda whole: science(whole).update(members=["hub-s"]),
        "groups.institute.groups.science.members",
    ),
    (
        "admins above",
        lambda whole: whole["groups"]["institute"].update(admins={"users": ["ada"]}),
        "groups.institute.admins.users",
    ),
    (
        "a sibling",
        lambda whole: whole["groups"]["institute"]["groups"]["physics"].update(guaranteed={}),
        "groups.institute.groups.physics.guaranteed.H100",
    ),
    (
        "a group out of it",
        lambda whole: whole["groups"].update(vision=science(whole)["groups"].pop("vision")),
        "groups.vision.members",
    ),
    (
        "another's group into it",
        lambda whole: science(whole)["groups"].update(
            physics=whole["groups"]["institute"]["groups"].pop("physics")
        ),
        "groups.institute.groups.physics.members",
    ),
    ("everyone", lambda whole: whole["everyone"].update(max_idle="9h"), "everyone.max_idle"),
    ("a size's groups", lambda whole: whole["sizes"][3].pop("for"), "sizes.whole.for"),
    ("an exception of a person", exception(who=["ada"], set={"limit": {"cards": 9}}), "who"),
    (
        "an exception of the group itself",
        exception(groups=["science"], set={"weight": 9}),
        "exceptions",
    ),
    (
        "an exception of others together with what is below",
        exception(groups=["vision", "physics"], set={"weight": 9}),
        "exceptions",
    ),
    ("an admin's exception", lambda whole: whole["exceptions"].pop(0), "exceptions"),
    ("others' reservation", lambda whole: whole["reservations"].pop(1), "reservations"),
    (
        "a card that is closed",
        lambda whole: whole.update(closed=[{"node": "n1", "why": "mine"}]),
        "closed",
    ),
]


@pytest.mark.parametrize(
    ("edit", "key"), [each[1:] for each in OUTSIDE], ids=[each[0] for each in OUTSIDE]
)
def test_what_is_not_below_the_group_is_not_theirs_to_change(edit: Edit, key: str) -> None:
    ((code, names),) = found(edit)
    assert code == "outside"
    assert any(key in name for name in names), names


def test_the_order_of_sizes_is_what_the_page_shows_first_and_not_theirs() -> None:
    assert found(lambda whole: whole["sizes"].reverse())[0][0] == "outside"


MORE: list[tuple[str, Edit]] = [
    ("a size", child(sizes=["small", "large"])),
    ("each may hold", child(each={"limit": {"cards": 4}})),
    ("each may hold of a type", child(each={"limit": {"cards": "unlimited"}})),
    ("types of jobs", child(jobs={"types": ["H100"]})),
    ("how long jobs run", child(jobs={"types": ["L4"], "max_run": "9h"})),
    ("how many jobs", child(each={"jobs": {"most": 4}})),
    ("jobs apart from slices", child(each={"jobs": {"limit": {"cards": 1}}})),
    ("how long servers are idle", child(each={"max_idle": "unlimited"})),
    ("how long slices are kept", child(each={"keep_a_day": "9h"})),
    ("amounts of one's own", child(own_amounts=True)),
    ("a size for a while", exception(groups=["vision"], set={"sizes": ["whole"]})),
    (
        "longer than the group itself has it",
        exception(groups=["vision"], until="2026-12-19", set={"each": {"limit": {"cards": 3}}}),
    ),
    (
        "below a group that has a size, where its members were not",
        lambda whole: science(whole)["groups"]["nlp"].update(
            groups={"vision": science(whole)["groups"].pop("vision")}
        ),
    ),
    (
        "in a group that has a size, which they were not in",
        lambda whole: science(whole)["groups"]["nlp"].update(members=["hub-nlp", "hub-v"]),
    ),
    (
        "under the name of a group that has a size",
        lambda whole: science(whole).update(
            groups={
                "nlp": science(whole)["groups"]["vision"],
                "vision": {**science(whole)["groups"]["nlp"], "guaranteed": {"H100": 1}},
            }
        ),
    ),
]


@pytest.mark.parametrize("edit", [edit for _, edit in MORE], ids=[name for name, _ in MORE])
def test_nobody_gets_more_than_the_group_gives_or_than_they_had(edit: Edit) -> None:
    assert {code for code, _ in found(edit)} == {"more-than-group"}


def test_who_has_more_by_an_admin_keeps_it_whatever_else_is_changed() -> None:
    def edit(whole: Values) -> None:
        science(whole)["groups"]["nlp"].update(weight=3, guaranteed={"H100": 1})
        science(whole)["groups"]["vision"].update(guaranteed={"H100": 1})

    assert found(edit) == []


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (child(members=["hub-v", "hub-p"]), ("members-taken-in", ("hub-p",))),
        (
            lambda whole: science(whole)["groups"].update(new={}),
            ("members-taken-in", ("new",)),
        ),
        (child(members=[]), ("members-let-go", ("hub-v",))),
        (
            lambda whole: (
                science(whole)["groups"].pop("vision"),
                whole["exceptions"].pop(1),
                whole["reservations"].pop(0),
            ),
            ("members-let-go", ("hub-v",)),
        ),
    ],
)
def test_nobody_is_taken_in_from_elsewhere_and_nobody_let_go_into_what_everyone_may(
    edit: Edit, told: tuple[str, tuple[str, ...]]
) -> None:
    assert found(edit) == [told]


def test_a_group_without_direct_members_takes_nobody_in() -> None:
    assert found(lambda whole: science(whole)["groups"].update(new={"members": []})) == []


@pytest.mark.parametrize(
    "edit",
    [
        lambda whole: whole["reservations"].append(
            {"name": "mine", "for": "vision", "guaranteed": {"H100": 1}, "at": "Wed 09:00-10:00"}
        ),
        lambda whole: whole["reservations"][0].update(guaranteed={"H100": 2}),
        lambda whole: whole["reservations"][0].update({"for": "nlp"}),
        lambda whole: whole["reservations"][0].update(at="Mon 14:00-18:00"),
    ],
)
def test_a_reservation_adds_to_what_the_groups_above_have_so_none_is_made_or_changed(
    edit: Edit,
) -> None:
    assert [code for code, _ in found(edit)] == ["reserved"]


def test_two_groups_of_one_admin_do_not_mix() -> None:
    """Members do not change between them."""

    def edit(whole: Values) -> None:
        science(whole)["groups"]["nlp"].update(groups={"x": {"members": ["hub-v"]}})

    assert found(edit, "nlp", "vision") == [("members-taken-in", ("hub-v",))]


def test_a_reservation_does_not_go_with_its_group_from_one_to_another_of_an_admin() -> None:
    """It is added to what the groups above are guaranteed: these would be others."""

    def edit(whole: Values) -> None:
        moved = {"course": {"members": []}}
        science(whole)["groups"]["vision"].update(groups=moved)
        whole["reservations"][0].update({"for": "course"})

    before = read_quota_document(after(edit))

    def moved_too(whole: Values) -> None:
        edit(whole)
        course = science(whole)["groups"]["vision"].pop("groups")
        science(whole)["groups"]["nlp"].update(groups=course)

    changed = read_quota_document(after(moved_too))
    told = forbidden_changes(before, changed, ("nlp", "vision"), NOW)
    assert [(each.code.value, each.names, each.group) for each in told] == [
        ("reserved", ("course",), "nlp")
    ]
    assert forbidden_changes(before, changed, ("science",), NOW) == ()


def test_exceptions_may_end_at_so_many_times_as_are_looked_at() -> None:
    def edit(whole: Values) -> None:
        for hours in range(MOST_ENDS + 1):
            until = (NOW + timedelta(days=1, hours=hours)).isoformat().replace("+00:00", "Z")
            entry = {"groups": ["vision"], "until": until, "set": {"weight": 2}, "why": "x"}
            whole["exceptions"].append(entry)

    assert [code for code, _ in found(edit)] == ["too-many-ends"]


@pytest.mark.parametrize(("groups", "told"), [(40, []), (60, ["too-many-ends"])])
def test_many_groups_have_their_rights_looked_at_after_fewer_ends(
    monkeypatch: pytest.MonkeyPatch, groups: int, told: list[str]
) -> None:
    """Whoever sends all that a document may have keeps the service, and who waits, for minutes."""
    monkeypatch.setattr(changes, "MOST_LOOKED_AT", 500)

    def edit(whole: Values) -> None:
        for number in range(groups):
            science(whole)["groups"][f"g{number}"] = {"members": []}
        for hours in range(6):
            until = (NOW + timedelta(days=1, hours=hours)).isoformat().replace("+00:00", "Z")
            entry = {"groups": ["vision"], "until": until, "set": {"weight": 2}, "why": "x"}
            whole["exceptions"].append(entry)

    assert [code for code, _ in found(edit)] == told


def test_each_code_has_its_words() -> None:
    for code in ForbiddenChange:
        words = forbidden_words(Forbidden(code, tuple(f"g{n}" for n in range(12)), "science"))
        assert "g9" in words
        assert "and 2 more" in words
        assert "{" not in words
