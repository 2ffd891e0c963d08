"""Where the accounts of people begin."""

import pytest
from sublet_quota.names.system_accounts import least_uid_in


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("", 1000),
        ("UID_MIN\t\t\t 500\nUID_MAX 60000\n", 500),
        ("#UID_MIN 500\nSYS_UID_MIN 101\nSUB_UID_MIN 100000", 1000),
        ("UID_MIN 500\nUID_MIN 2000", 2000),
        ("UID_MIN\nUID_MIN many", 1000),
    ],
)
def test_it_is_what_the_file_says_last_or_a_thousand(text: str, least: int) -> None:
    assert least_uid_in(text) == least
