"""What owners are told whose servers and jobs admins end."""

from datetime import UTC, datetime

import pytest
from sublet_quota.reasons.evictions import (
    EvictionFacts,
    EvictionStage,
    eviction_sentence,
    sent_back_clause,
)

AT = datetime(2026, 11, 30, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize("stage", EvictionStage)
def test_every_stage_says_when_by_whom_and_why(stage: EvictionStage) -> None:
    told = eviction_sentence(EvictionFacts(stage, "x1", "root", AT, "the fan fails."))
    assert "2026-11-30 14:05 UTC" in told
    assert "by root: the fan fails." in told
    assert "x1" in told
    assert "{" not in told
    assert ".." not in told


def test_the_default_server_has_no_name() -> None:
    facts = EvictionFacts(EvictionStage.SERVER_WILL_STOP, "", "root", AT, "fan")
    assert eviction_sentence(facts) == (
        "Your server will be stopped at 2026-11-30 14:05 UTC by root: fan. Save your work before "
        "then."
    )


def test_words_with_braces_are_told_as_they_are() -> None:
    facts = EvictionFacts(EvictionStage.JOB_CANCELLED, "j1", "{by}", AT, "{reason} {x}")
    assert eviction_sentence(facts).endswith("by {by}: {reason} {x}.")
    assert sent_back_clause("{x}") == "an admin has sent it back: {x}"
