"""Characters that steer a terminal or a log: no name and no text of a document has any."""

import pytest

from tests.support.quota_documents import document, problems_of

UNSEEN = ("\\e", "\\0", "\\u202e", "\\x85", "\\ud800", "\\u2028", "\\x7f")
PLACES = {
    "a group": 'groups: {"a%s": {members: [a]}}',
    "a reason": 'exceptions: [{who: [ada], set: {limit: {cards: 1}}, why: "a%s"}]',
    "a title": 'sizes: [{name: s, title: "a%s", memory: 1, compute: 1}]',
    "a type": 'groups: {a: {guaranteed: {"L4%s": 1}}}',
    "a node": 'closed: [{node: "n%s", why: fan}]',
    "a hub's group": 'groups: {a: {members: ["a%s"]}}',
}


@pytest.mark.parametrize("unseen", UNSEEN)
@pytest.mark.parametrize("place", sorted(PLACES))
def test_they_are_refused_wherever_they_are(place: str, unseen: str) -> None:
    (problem,) = problems_of(PLACES[place] % unseen)
    assert "cannot be seen (U+" in problem
    assert problem.startswith("line 1: ")
    assert problem.encode().decode().isprintable()


def test_a_name_and_a_reason_are_on_one_line() -> None:
    (problem,) = problems_of('groups: {"a\\nlevel=ERROR": {}}')
    assert "(U+000A)" in problem
    text = "closed:\n- node: n\n  why: {}\n    a fan\n\tand a disk\n".expandtabs(4)
    (problem,) = problems_of(text.format("|"))
    assert "closed[0].why" in problem
    assert "write one line" in problem
    assert document(text.format(">-")).closed[0].why == "a fan and a disk"
