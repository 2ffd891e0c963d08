"""By which control groups a slice's processes are known."""

import pytest
from sublet_quota.names.control_groups import (
    is_group_of_a_unit,
    is_in_group_of,
    is_in_unit,
    slice_group_name,
)
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


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/system.slice/jupyter-ada-singleuser.service", True),
        ("/system.slice/system-jupyter.slice/jupyter-ada.service", True),
        ("/user.slice/user-1000.slice/user@1000.service", True),
        ("/system.slice", False),
        ("/", False),
        ("/jupyter-ada.service", False),
        ("/system.slice/jupyter-ada.service/inner", False),
        ("/system.slice/../jupyter-ada.service", False),
        ("/system.slice/jupyter-ada.scope", False),
        ("system.slice/jupyter-ada.service", False),
    ],
)
def test_which_paths_are_a_services(path, is_one):
    assert is_group_of_a_unit(path) is is_one


UNIT = "/system.slice/jupyter-ada.service"


@pytest.mark.parametrize(
    ("groups", "is_in"),
    [
        (f"0::{UNIT}", True),
        (f"0::{UNIT}/sublet-node-1/slice-a/rest", True),
        (f"4:memory:/\n1:name=systemd:{UNIT}", True),
        (f"0::{UNIT}x", False),
        (f"0::/user.slice{UNIT}", False),
        (f"4:memory:{UNIT}\n0::/", False),
        ("", False),
    ],
)
def test_who_is_in_a_unit(groups, is_in):
    assert is_in_unit(UNIT, groups) is is_in
