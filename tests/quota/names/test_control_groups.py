"""By which control groups a slice's processes are known."""

import pytest
from sublet_quota.names.control_groups import is_in_group_of, slice_group_name
from sublet_quota.names.ids import SliceId


@pytest.mark.parametrize(
    ("groups", "is_in"),
    [
        ("0::/sublet/slice-a\n", True),
        ("0::/sublet/slice-a/rest\n", True),
        ("12:cpu:/user.slice\n4:freezer:/sublet/slice-a/moved\n", True),
        ("0::/sublet/slice-ab\n", False),
        ("0::/sublet/xslice-a\n", False),
        ("1:name=slice-a:/sublet\n", False),
        ("0::/\n", False),
        ("", False),
    ],
)
def test_a_group_is_known_by_a_whole_part_of_a_path(groups: str, is_in: bool) -> None:  # noqa: FBT001
    assert is_in_group_of(SliceId("a"), groups) is is_in


def test_a_name_never_leaves_its_folder_and_is_not_too_long() -> None:
    assert slice_group_name(SliceId("../../x")) == "slice-..%2F..%2Fx"
    assert len(slice_group_name(SliceId("a" * 1000))) < 200
