"""Whatever the admin of a group may change: outside nothing is another, and within nobody wins.

Random changes of a small document, also such as they may not make. Of those that are theirs is
asked what follows: by the rights of persons and groups, not by how the change was judged.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from sublet_quota.document.administered.changes import forbidden_changes
from sublet_quota.document.administered.groups import GroupClaims, administered, below
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import document_of
from sublet_quota.document.right_values import PersonLimit, Rights, Source
from sublet_quota.document.rights import rights_of
from sublet_quota.document.text.tree import DocumentTree
from sublet_quota.names.ids import GroupName

NOW = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
TOP = GroupName("science")
BEFORE: dict[str, Any] = {
    "gpu_types": {"H100": {"match": "*H100*"}, "L4": {"match": "*L4*"}},
    "sizes": [
        {"name": "small", "memory": "1/4", "compute": "1/4"},
        {"name": "whole", "memory": 1, "compute": 1},
        {"name": "special", "memory": 1, "compute": 1, "for": ["a", "physics"]},
    ],
    "everyone": {"limit": {"cards": 1}, "max_idle": "4h"},
    "groups": {
        "institute": {
            "members": [],
            "guaranteed": {"H100": 8},
            "groups": {
                "science": {
                    "members": ["hub-s"],
                    "guaranteed": {"H100": 6},
                    "sizes": ["small"],
                    "jobs": {"types": ["L4"]},
                    "each": {"limit": {"cards": 2}},
                    "admins": {"users": ["ada"]},
                    "groups": {
                        "a": {"members": ["hub-a"], "guaranteed": {"H100": 4}},
                        "b": {"members": ["hub-b"], "each": {"limit": {"cards": 3}}},
                    },
                },
                "physics": {"members": ["hub-p"], "guaranteed": {"H100": 2}},
            },
        },
        "guests": {"members": ["hub-g", "hub-b"]},
    },
    "exceptions": [
        {"groups": ["b"], "set": {"limit": {"H100": 4}}, "until": "2026-12-09", "why": "w"},
        {
            "groups": ["science"],
            "set": {"sizes": ["small", "whole"]},
            "until": "2026-12-05",
            "why": "w",
        },
    ],
    "reservations": [{"name": "r", "for": "b", "guaranteed": {"H100": 1}, "at": "Mon 14:00-16:00"}],
}
MEMBERS = ("hub-s", "hub-a", "hub-b", "hub-p", "hub-g", "new", "a", "b")
USERS = ("ada", "bob", "vic")
MOMENTS = [NOW + timedelta(days=days, hours=5) for days in (0, 2, 5, 6, 7, 12, 20)]

names = st.sampled_from(["a", "b", "a", "b", "new", "science", "physics", "institute", "guests"])
cards = st.sampled_from([0, 1, 2, 3, 4, 6, "unlimited"])
members = st.lists(st.sampled_from(MEMBERS), max_size=3, unique=True)
limits = st.dictionaries(st.sampled_from(["H100", "L4", "cards", "slices"]), cards, min_size=1)
persons = st.one_of(
    st.fixed_dictionaries({"limit": limits}),
    st.fixed_dictionaries({"max_idle": st.sampled_from(["1h", "9h", "unlimited"])}),
    st.fixed_dictionaries({"jobs": st.fixed_dictionaries({"most": st.sampled_from([1, 50])})}),
    st.fixed_dictionaries({"jobs": st.fixed_dictionaries({"limit": limits})}),
)
sizes = st.lists(st.sampled_from(["small", "whole"]), min_size=1, unique=True)
types = st.lists(st.sampled_from(["H100", "L4"]), unique=True)
laid_over = st.one_of(
    st.tuples(st.just("limit"), limits),
    st.tuples(st.just("sizes"), sizes),
    st.tuples(st.just("types"), types),
    st.tuples(st.just("each"), persons),
    st.tuples(st.just("jobs"), st.fixed_dictionaries({"types": types})),
    st.tuples(st.just("jobs"), st.fixed_dictionaries({"limit": limits})),
)
keys = st.one_of(
    laid_over,
    st.tuples(st.just("members"), members),
    st.tuples(
        st.just("guaranteed"),
        st.dictionaries(st.just("H100"), st.sampled_from([0, 1, 2, 4, 5]), min_size=1),
    ),
    st.tuples(st.just("weight"), st.integers(0, 3)),
    st.tuples(
        st.just("admins"),
        st.fixed_dictionaries({"users": st.lists(st.sampled_from(USERS), min_size=1)}),
    ),
)
exceptions = st.one_of(
    st.fixed_dictionaries(
        {
            "groups": st.lists(names, min_size=1, max_size=2, unique=True),
            "set": st.one_of(
                laid_over.map(lambda each: dict([each])), st.just({"guaranteed": {"H100": 2}})
            ),
            "why": st.just("w"),
        },
        optional={"until": st.sampled_from(["2026-12-03", "2026-12-08", "2026-12-30"])},
    ),
    st.fixed_dictionaries(
        {"who": st.just(["bob"]), "set": st.just({"limit": {"cards": 9}}), "why": st.just("w")}
    ),
)
reservations = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["r", "q"]),
        "for": names,
        "guaranteed": st.just({"H100": 1}),
        "at": st.sampled_from(["Mon 14:00-16:00", "Tue 10:00-12:00"]),
    }
)
edits = st.one_of(
    st.tuples(st.just("set"), names, keys),
    st.tuples(st.just("set"), names, keys),
    st.tuples(st.just("unset"), names, st.sampled_from(["sizes", "each", "guaranteed", "members"])),
    st.tuples(st.just("move"), names, names),
    st.tuples(st.just("drop"), names, st.none()),
    st.tuples(st.just("exception"), st.none(), exceptions),
    st.tuples(st.just("reservation"), st.none(), reservations),
    st.tuples(st.just("drop-entry"), st.sampled_from(["exceptions", "reservations"]), st.just(0)),
)


def around(groups: dict[str, Any], name: str) -> dict[str, Any] | None:
    """Return the mapping in which a group is."""
    if name in groups:
        return groups
    for group in groups.values():
        found = around(group.get("groups", {}), name)
        if found is not None:
            return found
    return None


def edited(values: dict[str, Any], edit: Any) -> None:
    what, name, more = edit
    groups = values["groups"]
    found = around(groups, name) if isinstance(name, str) else None
    match what:
        case "exception" | "reservation":
            values.setdefault(f"{what}s", []).append(more)
        case "drop-entry":
            values[name] = values.get(name, [])[1:]
        case "set" if found is None:
            found = around(groups, "science") or groups
            new = {"members": [], more[0]: more[1]}
            found.get("science", {}).setdefault("groups", {})[name] = new
        case "set":
            found[name][more[0]] = more[1]
        case "unset" if found is not None:
            found[name].pop(more, None)
        case "drop" if found is not None:
            del found[name]
        case "move" if found is not None and more != name:
            moved(groups, found, name, more)


def moved(groups: dict[str, Any], found: dict[str, Any], name: str, below_it: str) -> None:
    target = around(groups, below_it)
    if target is not None and around(found[name].get("groups", {}), below_it) is None:
        group = found.pop(name)
        target[below_it].setdefault("groups", {})[name] = group


@st.composite
def changes(draw: st.DrawFn) -> QuotaDocument | None:
    values = deepcopy(BEFORE)
    for edit in draw(st.lists(edits, min_size=1, max_size=4)):
        edited(values, edit)
    try:
        return document_of(DocumentTree(values))
    except QuotaDocumentError:
        return None


BASE = document_of(DocumentTree(deepcopy(BEFORE)))


@settings(max_examples=800)
@given(changes())
def test_what_is_theirs_to_change_changes_nothing_elsewhere_and_gives_nobody_more(
    after: QuotaDocument | None,
) -> None:
    if after is None:
        event("no document")
        return
    if forbidden_changes(BASE, after, (TOP,), NOW):
        event("forbidden")
        return
    event("nothing" if after == BASE else "theirs")
    within = below(BASE, (TOP,)) | below(after, (TOP,))
    for moment in MOMENTS:
        one, other = BASE.at(moment), after.at(moment)
        assert elsewhere(one, within) == elsewhere(other, within)
        assert_fits(other)
        its_own = rights_of(one, "", ("hub-s",))
        for member in MEMBERS:
            had, has = (rights_of(each, "", (member,)) for each in (one, other))
            assert_no_more(has, had, its_own, within)
    for user in USERS:
        claims = GroupClaims(user=user)
        theirs = [set(administered(each, claims)) - within for each in (BASE, after)]
        assert theirs[0] == theirs[1]


def elsewhere(document: QuotaDocument, within: frozenset[GroupName]) -> Any:
    """Return what holds for groups that are not below; a reservation may have been given up."""
    return (
        {
            name: (document.path_of(name), group.limit, group.weight, group.budget, group.jobs)
            for name, group in document.all_groups.items()
            if name not in within
        },
        {
            name: group.guaranteed
            for name, group in document.all_groups.items()
            if name not in within and name not in {"science", "institute"}
        },
        document.everyone,
        values_of(rights_of(document, "bob", ("hub-p",))),
        values_of(rights_of(document, "bob", ())),
    )


def values_of(value: Any) -> Any:
    """Return rights without the places that say them."""
    if isinstance(value, Source):
        return None
    if is_dataclass(value):
        return {each.name: values_of(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: values_of(each) for name, each in value.items()}
    return tuple(map(values_of, value)) if isinstance(value, tuple) else value


def assert_fits(document: QuotaDocument) -> None:
    science = document.all_groups[TOP]
    written = BASE.all_groups[TOP].guaranteed
    reserved = Fraction(1)
    for gpu_type, sure in science.guaranteed.items():
        assert sure <= written.get(gpu_type, 0) + reserved
    parts = [group.guaranteed.get("H100", Fraction(0)) for group in science.groups.values()]
    assert sum(parts, Fraction(0)) <= science.guaranteed.get("H100", 0)


def assert_no_more(has: Rights, had: Rights, its_own: Rights, within: frozenset[GroupName]) -> None:
    """Whoever pays below gives nothing that who paid before, or the group itself, does not."""
    for payer in has.payers:
        if payer.group not in within:
            assert values_of(payer) in [values_of(each) for each in had.payers]
            continue
        known = (*had.payers, *its_own.payers)
        names_of = [_all(each.sizes.value) for each in known]
        assert any(_all(payer.sizes.value) <= each for each in names_of)
        assert any(_no_more(payer.types.value, each.types.value) for each in known)
        assert any(_no_more(payer.job_types.value, each.job_types.value) for each in known)
        assert payer.own_amounts.value <= any(each.own_amounts.value for each in known)
        assert payer.job_max_run.value <= max(each.job_max_run.value for each in known)
    for limit in _kinds(has.limit):
        most = [_kinds(each.limit).get(limit) for each in (had, its_own)]
        got = _kinds(has.limit)[limit]
        assert None in most or (got is not None and got <= max(most))
    for name in ("jobs_most", "max_idle"):
        got, *most = (getattr(each, name).value for each in (has, had, its_own))
        assert None in most or (got is not None and got <= max(most))


def _all(names: frozenset[Any] | None) -> frozenset[str]:
    return frozenset({"small", "whole", "special"}) if names is None else names


def _no_more(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return other is None or (one is not None and one <= other)


def _kinds(limit: PersonLimit) -> Mapping[str, Any]:
    """Return a person's limits that there are, by their names."""
    return {"cards": limit.cards.value, "slices": limit.slices.value}
