"""What documents said before is refused, and told in the spelling that is read now."""

import re

import pytest
from sublet_quota.document.reading import read_quota_document

from tests.support.quota_documents import problems_of

CASES = {
    "default_size": (
        "default_size: small",
        "default_size: is said at the size now: write `{name: small, default: true}` in `sizes`",
    ),
    "users": (
        "users: {ada: {limit: {memory: 10240, compute: 2}, most_slices: 3, most_jobs: 5}}",
        (
            "users: are `exceptions` now, and guarantees and weights are groups' alone: write "
            "`exceptions: [{who: [ada], set: {limit: {memory: 10240 MiB, cards: 2, slices: 3}, "
            "jobs: {most: 5}}, why: WHY, until: '2027-03-31'}]`"
        ),
    ),
    "pools by the models of their GPUs": (
        "pools: {fast: {gpus: {types: ['*H100*'], nodes: [gpu-*]}}}",
        (
            "pools.fast.gpus: is written without `gpus` now: name the models in `gpu_types: {H100: "
            "{match: '*H100*'}}`, and write `types: [H100], nodes: [gpu-*]` in the pool itself"
        ),
    ),
    "pools by cards": (
        "pools: [{name: fast, gpus: {ids: [GPU-1]}}]",
        "pools.fast.gpus: is written without `gpus` now: write `ids: [GPU-1]` in the pool itself",
    ),
    "turn_s": ("pools: {p: {turn_s: 90}}", "pools.p.turn_s: is `turn` now: write `turn: 90 s`"),
    "a size for groups": (
        "sizes: {s: {memory: 1, compute: 1, groups: [staff]}}",
        "sizes.s.groups: is `for` now: write `for: [staff]`",
    ),
    "a size for users": (
        "sizes: {s: {memory: 1, compute: 1, users: [zoe]}}",
        (
            "sizes.s.users: is an exception now: write `exceptions: [{who: [zoe], set: {sizes: "
            "[s]}, why: WHY}]`, and `for: []` here"
        ),
    ),
    "most_slices of everyone": (
        "everyone: {most_slices: 2}",
        "everyone.most_slices: is a limit now: write `limit: {slices: 2}`",
    ),
    "most_jobs": (
        "everyone: {most_jobs: 0}",
        "everyone.most_jobs: is a rule of `jobs` now: write `jobs: {most: 0}`",
    ),
    "a limit of compute": (
        "everyone: {limit: {compute: 1500m}}",
        "everyone.limit.compute: is in cards now: write `cards: 1.5`, or of one type `H100: 1.5`",
    ),
    "a limit of compute of a group in a group": (
        "groups: {a: {groups: {b: {limit: {compute: 2}}}}}",
        "groups.a.groups.b.limit.compute: is in cards now: write `cards: 2`",
    ),
    "most_slices of a group": (
        "groups: {a: {most_slices: unlimited}}",
        "groups.a.most_slices: is a limit now: write `limit: {slices: unlimited}`",
    ),
    "each_member": (
        "groups: {a: {each_member: {most_slices: 4, limit: {compute: 2}, keep_a_day: 1h}}}",
        (
            "groups.a.each_member: is `each` now: write `each: {limit: {cards: 2, slices: 4}, "
            "keep_a_day: 1h}`"
        ),
    ),
    "a guarantee of memory and compute": (
        (
            "gpu_types: {L4: {match: L4}}\n"
            "groups: {a: {guaranteed: {memory: 40 GiB, compute: 2, pool: fast}}}"
        ),
        (
            "groups.a.guaranteed.memory: is in cards of a GPU type now, whatever the pool: write "
            "`guaranteed: {L4: 2}`"
        ),
    ),
    "a guarantee of a pool alone": (
        "groups: {a: {guaranteed: {pool: fast}}}",
        "groups.a.guaranteed.pool: is in cards of a GPU type now",
    ),
    "a weight of one person": (
        "everyone: {weight: 2}",
        "everyone.weight: is for groups alone, and this is one person's: leave it out",
    ),
    "a guarantee of one person": (
        "groups: {a: {each: {guaranteed: {H100: 1}}}}",
        "groups.a.each.guaranteed: is for groups alone",
    ),
    "old keys in an exception": (
        "exceptions: [{who: [a], set: {most_slices: 2}, why: x}]",
        "exceptions[0].set.most_slices: is a limit now: write `limit: {slices: 2}`",
    ),
    "a budget of one person": (
        "groups: {a: {each: {budget: {hours: 3}}}}",
        "groups.a.each.budget: is a group's: write `budget: {each: {hours: 400}}` in the group",
    ),
    "a budget of everyone": ("everyone: {budget: {hours: 3}}", "everyone.budget: is a group's"),
    "how long servers of a group may be idle": (
        "groups: {lab: {max_idle: 8h}}",
        "groups.lab.max_idle: is what one person may: write `each: {max_idle: 8h}`",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_old_key_is_told_in_the_new_spelling(name: str) -> None:
    text, expected = CASES[name]
    (problem,) = problems_of(text)
    assert expected in problem


@pytest.mark.parametrize(
    "written", ["~", "word", "[1, {a: b}]", "{x: [y]}", "1.5", "{limit: word}", "{types: {a: b}}"]
)
@pytest.mark.parametrize("name", CASES)
def test_whatever_stands_there_it_is_told(name: str, written: str) -> None:
    key = CASES[name][1].split(":")[0].split(".")[-1]
    text = re.sub(rf"\b{key}: [^\n]*", f"{key}: {written}", CASES[name][0], count=1)
    text += "}" * (text.count("{") - text.count("}"))
    assert problems_of(text)


NEW = re.compile(r"`(\w+: [\[{].*?[\]}])`")
PLACES = {
    "exceptions": "sizes: [{{name: s, memory: 1, compute: 1}}]\n{0}",
    "gpu_types": "{0}",
    "for": "groups: {{staff: {{}}}}\nsizes: {{s: {{memory: 1, compute: 1, {0}}}}}",
    "types": "pools: {{p: {{{0}}}}}",
    "ids": "pools: {{p: {{{0}}}}}",
    "guaranteed": "groups: {{g: {{{0}}}}}",
    "limit": "groups: {{g: {{{0}}}}}",
    "each": "groups: {{g: {{{0}}}}}",
    "jobs": "groups: {{g: {{{0}}}}}",
    "budget": "groups: {{g: {{{0}}}}}",
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_to_be_written_can_be_read(name: str) -> None:
    (problem,) = problems_of(CASES[name][0])
    for written in NEW.findall(problem):
        read_quota_document(PLACES[written.partition(":")[0]].format(written))
