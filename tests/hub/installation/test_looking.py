"""What is found in an environment."""

from pathlib import PurePosixPath

import pytest
from sublet_hub.installation.looking import packages_of
from sublet_hub.installation.tree import Tree

from tests.support.machine_folders import environment, write

HUB = PurePosixPath("/opt/hub/bin/python3")


@pytest.mark.parametrize(("name", "version"), [("3.11", (3, 11)), ("3.12", (3, 12))])
def test_condas_link_is_not_taken_for_the_pythons_version(tmp_path, name, version):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"}, name)
    found = packages_of(Tree(tmp_path), HUB)
    assert (found.python_version, found.versions) == (version, {"jupyterhub": "5.4.1"})


def test_an_older_pythons_folder_that_was_left_behind_is_not_the_environments(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"}, "3.12")
    (tmp_path / "opt/hub/lib/python3.9/site-packages").mkdir(parents=True)
    assert packages_of(Tree(tmp_path), HUB).python_version == (3, 12)


def test_where_there_is_no_python_there_is_no_environment(tmp_path):
    assert packages_of(Tree(tmp_path), HUB).python_version is None


def test_a_folder_that_others_may_not_enter_is_found_on_the_way_through_links(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"})
    assert packages_of(Tree(tmp_path), HUB).closed is None
    write(tmp_path, "root/pyenv/bin/python3", "", 0o755)
    python = tmp_path / "opt/hub/bin/python3"
    python.unlink()
    python.symlink_to("../../../root/pyenv/bin/python3")
    assert packages_of(Tree(tmp_path), HUB).closed is None
    (tmp_path / "root").chmod(0o700)
    assert packages_of(Tree(tmp_path), HUB).closed == PurePosixPath("/root")


def test_a_python_that_others_may_not_execute_is_closed(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"})
    (tmp_path / "opt/hub/bin/python3").chmod(0o750)
    assert packages_of(Tree(tmp_path), HUB).closed == HUB


def test_links_that_go_round_end(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"})
    python = tmp_path / "opt/hub/bin/python3"
    python.unlink()
    python.symlink_to("python3")
    assert packages_of(Tree(tmp_path), HUB).closed is None
