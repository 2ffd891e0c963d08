"""What is found in an environment."""

from pathlib import PurePosixPath

import pytest
from sublet_hub.installation.looking import packages_of
from sublet_hub.installation.tree import Tree

from tests.support.machine_folders import environment

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
