"""How long what the hub said of a token is believed: a token that was taken away is one no more."""

import pytest
from sublet_hub.security.authentication import KeptAnswers

ADA = {"kind": "user", "name": "ada"}


@pytest.mark.parametrize(("model", "kept_s"), [(ADA, 30), (None, 5)])
def test_an_answer_is_believed_for_30_seconds_and_a_refusal_for_5(model, kept_s):
    answers = KeptAnswers()
    answers.keep("digest", model, 1000.0)
    assert answers.get("digest", 1000.0 + kept_s - 0.5) == (model,)
    assert answers.get("digest", 1000.0 + kept_s + 0.5) is None


def test_to_be_asked_of_often_keeps_no_answer_longer():
    answers = KeptAnswers()
    answers.keep("digest", ADA, 0.0)
    seen = [answers.get("digest", second) for second in range(60)]
    assert seen == [(ADA,)] * 31 + [None] * 29


def test_what_was_forgotten_is_asked_anew():
    answers = KeptAnswers()
    answers.keep("digest", ADA, 0.0)
    answers.forget("digest")
    assert answers.get("digest", 0.0) is None


@pytest.mark.parametrize("model", [ADA, None])
def test_not_more_answers_are_kept_than_ten_thousand_of_each_kind(model):
    answers = KeptAnswers()
    for number in range(10_050):
        answers.keep(f"digest-{number}", model, 0.0)
    assert len(answers) == 10_000
    assert answers.get("digest-49", 0.0) is None
    assert answers.get("digest-50", 0.0) == (model,)
