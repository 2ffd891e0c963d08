"""A machine that may write suspended memory to its disk is told of; nothing else follows."""

import pytest
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.fitness.node_check import CheckedNode
from sublet_agent.fitness.swap import swap_areas, swap_warning

HEAD = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


@pytest.mark.parametrize(
    ("lines", "areas"),
    [
        ("", ()),
        ("/swap.img file 4194300 0 -2\n", ("/swap.img",)),
        ("/dev/zram0 partition 4194300 0 100\n/dev/sda2 partition 1 0 -2\n", ("/dev/sda2",)),
    ],
)
def test_only_what_lies_on_a_disk_counts(tmp_path, lines, areas):
    file = tmp_path / "swaps"
    file.write_text(HEAD + lines)
    assert swap_areas(file) == areas
    assert bool(swap_warning(areas)) == bool(areas)


def test_a_machine_that_does_not_tell_is_taken_not_to_swap(tmp_path):
    assert swap_areas(tmp_path / "none") == ()


def test_the_check_of_a_node_says_so():
    assert "may be written to disk" in CheckedNode((), simulated=False, swaps=("/swap.img",)).text
    assert "disk" not in CheckedNode((), simulated=False).text


def test_a_slices_own_group_is_kept_out_of_swap_where_that_can_be(tmp_path):
    tree = FreezerTree(2, tmp_path)
    for place in ("/with", "/without"):
        tree.make(place)
    (tmp_path / "with" / "memory.swap.max").write_text("max")
    for place in ("/with", "/without"):
        tree.keep_out_of_swap(place)
    assert (tmp_path / "with" / "memory.swap.max").read_text() == "0"
    assert not (tmp_path / "without" / "memory.swap.max").exists()
