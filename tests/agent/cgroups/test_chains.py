"""Who starts others and ends, for ever, keeps no slice away, and stands still meanwhile."""

import mmap
import subprocess
import sys
import time

from tests.support.accounts import an_account
from tests.support.chains import CHAIN, chain
from tests.support.control_groups import WITHIN_S, coming_back, stands_still, until


def test_where_each_starts_another_and_ends_nothing_comes_back_or_they_stand_still(
    groups, cleo, tmp_path
):
    file = tmp_path / "count"
    file.write_bytes(bytes(16))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 16) as count:
        command = [sys.executable, "-c", CHAIN, str(cleo), str(file)]
        subprocess.run(command, check=True)
        try:
            until(lambda: count[:8] != bytes(8))
            groups.serve(groups.slice("c", groups.family(uid=cleo)))
            for _ in range(5):
                with coming_back(groups, within_s=0.3) as stillness:
                    before = count[:8]
                    time.sleep(0.05)
                    assert stillness.problem or count[:8] == before
        finally:
            count[8] = 1


def comes_back_beside(groups, count):
    """Try it again and again, as an agent does; return whether a try succeeded."""
    until_s = time.monotonic() + WITHIN_S
    while time.monotonic() < until_s:
        with coming_back(groups, within_s=1.0) as stillness:
            if stillness.problem == "":
                before = count[:8]
                time.sleep(0.05)
                assert count[:8] == before
                return True
    return False


def test_a_chain_of_which_each_starts_another_and_ends_keeps_nobody_away(groups, cleo, tmp_path):
    with chain(cleo, tmp_path / "count") as count:
        groups.serve(groups.slice("c", groups.family(uid=cleo)))
        assert comes_back_beside(groups, count)
        before = count[:8]
        until(lambda: count[:8] != before)


def test_a_chain_in_a_group_with_others_keeps_nobody_away_and_the_others_run(
    groups, cleo, session, tmp_path
):
    daemon = groups.family()
    groups.tree.move(daemon.pid, session)
    with chain(cleo, tmp_path / "count", session, groups.tree) as count:
        groups.serve(groups.slice("c", groups.family(uid=cleo)))
        for _ in range(3):
            with coming_back(groups) as stillness:
                assert stillness.problem == ""
                before = count[:8]
                assert daemon.starts("child")
                assert count[:8] == before
            # Where they were, and not in the agent's group.
            until(lambda before=before: count[:8] != before)
            assert not groups.tree.exists(groups.keeper.place_for_outsiders[1])


def test_a_chain_in_ones_own_slice_of_another_gpu_keeps_nobody_away(groups, cleo, tmp_path):
    server = groups.family(uid=cleo)
    groups.serve(groups.slice("c", server, gpu_id="GPU-2"))
    rest = groups.book.of("c").rest
    with chain(cleo, tmp_path / "count", rest, groups.tree) as count:
        with coming_back(groups) as stillness:
            assert stillness.problem == ""
        before = count[:8]
        until(lambda: count[:8] != before)
        assert server.starts("child")


def test_whoever_ends_for_ever_of_an_account_without_a_slice_keeps_nobody_away(
    groups, cleo, tmp_path
):
    groups.serve(groups.slice("c", groups.family(uid=cleo)))
    with chain(an_account(), tmp_path / "count") as count, coming_back(groups) as stillness:
        assert stillness.problem == ""
        before = count[:8]
        until(lambda: count[:8] != before)


def test_who_starts_others_for_ever_is_stilled_too(groups, cleo):
    script = "while :; do (:) & (:) & wait; done"
    with subprocess.Popen(["/bin/sh", "-c", script], user=cleo) as process:
        try:
            groups.serve(groups.slice("c", groups.family(uid=cleo)))
            with coming_back(groups) as stillness:
                assert stillness.problem == ""
                assert stands_still(groups, process.pid)
        finally:
            process.kill()
