"""Mutants of how often owners have something done, and of what is kept for who asks: rule 12."""

from typing import Final

from tests.security.mutant import Mutant

_KEEP_AND_WAKE: Final = "hub_ext/sublet_hub/slices/keep_and_wake.py"
_SLICES: Final = "tests/hub/slices/test_kept_slices.py"
_SUBMISSION: Final = "hub_ext/sublet_hub/jobs/submission.py"
_SUBMITTING: Final = "tests/hub/jobs/test_job_submission.py"
_RATES: Final = "hub_ext/sublet_hub/security/rate_limits.py"
_RATE_TESTS: Final = "tests/hub/security/test_rate_limits.py"
_BUCKETS_KEPT: Final = (
    "test_so_many_buckets_are_kept_and_no_more_those_least_lately_used_are_forgotten"
)

MUTANTS: Final = (
    Mutant(
        12,
        "who starts and stops a server has the memory of others' jobs go back and forth each time",
        "hub_ext/sublet_hub/jobs/order/held_back.py",
        "frozenset(self._capacity.return_pauses.pausing(stand))",
        "frozenset[SliceId]()",
        (
            (
                "tests/hub/jobs/test_held_back.py::"
                "test_who_is_held_back_again_and_again_pauses_before_the_job_goes_on"
            ),
        ),
    ),
    Mutant(
        12,
        "a slice becomes of another size as often as its owner likes",
        "hub_ext/sublet_hub/slices/resizing.py",
        'take_or_refuse(self._limits, record.owner, "slices were resized")',
        "pass",
        (f"{_SLICES}::test_slices_are_not_resized_without_end",),
    ),
    Mutant(
        12,
        "slices are kept anew as often as their owner likes",
        _KEEP_AND_WAKE,
        'take_or_refuse(self._keeps, record.owner, "slices were kept")',
        "pass",
        (f"{_SLICES}::test_slices_are_not_kept_anew_without_end",),
    ),
    Mutant(
        12,
        "slices are woken as often as their owner likes",
        _KEEP_AND_WAKE,
        'take_or_refuse(self._wakes, record.owner, "slices were woken")',
        "pass",
        (f"{_SLICES}::test_waking_is_told_to_the_agent_and_not_without_end",),
    ),
    Mutant(
        12,
        "the end of an idle server is put off as often as its owner likes",
        "hub_ext/sublet_hub/slices/idle_servers.py",
        'take_or_refuse(self._extensions, record.owner, "servers were extended")',
        "pass",
        (
            (
                "tests/hub/slices/idle/test_put_off.py::"
                "test_the_end_is_not_put_off_again_and_again_without_end"
            ),
        ),
    ),
    Mutant(
        12,
        "any number of an owner's notebooks is looked at at once",
        _SUBMISSION,
        "if owner in self._busy_with:",
        "if False:",
        (f"{_SUBMITTING}::test_an_owner_has_one_notebook_looked_at_at_once",),
    ),
    Mutant(
        12,
        "members who submit at once have more jobs than their group may",
        _SUBMISSION,
        "chain(ledger.live_jobs.values(), self._coming.values())",
        "chain(ledger.live_jobs.values(), ())",
        (f"{_SUBMITTING}::test_a_job_whose_files_are_being_copied_counts_in_its_group",),
    ),
    Mutant(
        12,
        "a bucket is kept for each who ever asked",
        _RATES,
        "while len(self._buckets) > _MOST_BUCKETS:",
        "while False:",
        (f"{_RATE_TESTS}::{_BUCKETS_KEPT}",),
    ),
    Mutant(
        12,
        "whoever asked for what costs much asks for more at once",
        _RATES,
        "self._buckets[key] = (max(-self._rate.burst, level - cost), seen_s)",
        "pass",
        (
            (
                f"{_RATE_TESTS}::"
                "test_what_turned_out_to_cost_more_is_owed_as_much_as_a_bucket_holds_at_most"
            ),
        ),
    ),
    Mutant(
        12,
        "who comes again and again is forgotten with what they owe",
        _RATES,
        "self._buckets.move_to_end(key)",
        "pass",
        (f"{_RATE_TESTS}::{_BUCKETS_KEPT}",),
    ),
    Mutant(
        12,
        "what everybody could have is kept for whoever ever asked",
        "hub_ext/sublet_hub/slices/offers.py",
        "while len(self._kept) > _MOST_KEPT:",
        "while False:",
        ("tests/hub/slices/test_offers.py::test_so_many_answers_are_kept_and_no_more",),
    ),
    Mutant(
        12,
        "who is in many groups has the service look at all sizes for each of them",
        "spawner/sublet_spawner/offered.py",
        "compared = usual.groups[:_MOST_COMPARED] if",
        "compared = usual.groups if",
        (
            (
                "tests/spawner/test_offered.py::"
                "test_of_very_many_groups_the_first_are_asked_for_alone"
            ),
        ),
    ),
)
