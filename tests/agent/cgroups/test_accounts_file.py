"""Whose processes are looked for while a slice comes back, after the agent began anew."""

import json

import pytest
from sublet_agent.cgroups.accounts_file import AccountsFile
from sublet_agent.cgroups.node_groups import GroupSettings, node_groups
from sublet_agent.cgroups.registry import GroupBook

from tests.support.accounts import an_account
from tests.support.control_groups import GPU, control_groups, needs_freezer

WITHIN_S = 60.0


@pytest.fixture
def groups(tmp_path):
    with control_groups(needs_freezer(tmp_path), tmp_path) as made:
        yield made


def test_an_account_whose_slice_ended_before_the_agent_began_anew_is_still_looked_for(groups):
    cleo = an_account()
    outside, server = groups.family(uid=cleo), groups.family(uid=cleo)
    first = node_groups(GroupSettings(), "node-1", groups.folder, groups.table)
    first.serve(lambda: (groups.slice("c", server),))
    server.ends()
    groups.families.remove(server)
    first.serve(tuple)
    following = node_groups(GroupSettings(), "node-1", groups.folder, groups.table)
    assert following.outsiders.still(GPU, [], WITHIN_S)
    held = following.outsiders.has_stilled(outside.pid)
    following.outsiders.end(GPU)
    assert held


def noted(file: AccountsFile) -> GroupBook:
    return GroupBook(file.path.with_name("groups.json"), accounts=file)


def test_accounts_are_kept_until_the_boot(tmp_path):
    path = tmp_path / "accounts.json"
    noted(AccountsFile(path, "this boot")).note_accounts([1001, 1002])
    noted(AccountsFile(path, "this boot")).note_accounts([1003])
    assert noted(AccountsFile(path, "this boot")).accounts == {1001, 1002, 1003}
    assert noted(AccountsFile(path, "the next")).accounts == set()


def test_what_is_known_already_is_not_written_again(tmp_path):
    file = AccountsFile(tmp_path / "accounts.json", "this boot")
    book = noted(file)
    book.note_accounts([1001])
    file.path.unlink()
    book.note_accounts([1001, 0])
    assert not file.path.exists()


def test_an_account_is_looked_for_also_where_it_cannot_be_written_down(tmp_path, caplog):
    book = noted(AccountsFile(tmp_path / "none" / "accounts.json", "this boot"))
    book.note_accounts([1001])
    assert book.accounts == {1001}
    assert "cannot be written down" in caplog.text


@pytest.mark.parametrize("left", ["", "{", "[]", '{"boot": "this boot", "uids": ["x"]}', "7"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path, left):
    (tmp_path / "accounts.json").write_text(left)
    assert noted(AccountsFile(tmp_path / "accounts.json", "this boot")).accounts == set()


def test_root_and_the_agent_are_not_looked_for_whatever_the_file_says(tmp_path):
    text = json.dumps({"boot": "this boot", "uids": [0, 1001]})
    (tmp_path / "accounts.json").write_text(text)
    assert noted(AccountsFile(tmp_path / "accounts.json", "this boot")).accounts == {1001}
