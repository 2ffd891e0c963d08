"""Pods' control groups: whose a process is on Kubernetes, and where a pod's group lies."""

import os

import pytest
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.cgroups.maintenance import GroupKeeper
from sublet_agent.cgroups.pods import pod_in, pod_of, pod_places
from sublet_agent.cgroups.registry import GroupBook, Verdict
from sublet_agent.cgroups.trees import FreezerTree
from sublet_quota.reasons.not_frozen import NotFrozen

from tests.support.fake_device import FakeTable
from tests.support.fake_service_link import slice_assignment

ADA = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
BEN = "11111111-2222-3333-4444-555555555555"
U_ADA = ADA.replace("-", "_")
STATIC = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("path", "pod"),
    [
        (f"/kubepods/burstable/pod{ADA}/5f3c", ADA),
        (f"/kubepods/pod{ADA}/5f3c", ADA),
        (f"/kubepods/besteffort/pod{ADA}", ADA),
        (f"/kubepods/burstable/pod{STATIC}/5f3c", STATIC),
        (f"/kubelet/kubepods/burstable/pod{ADA}/5f3c", ADA),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{U_ADA}.slice/x.scope",
            ADA,
        ),
        (f"/kubepods.slice/kubepods-pod{U_ADA}.slice/cri-containerd-5f3c.scope", ADA),
        (
            f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{U_ADA}.slice/x.scope",
            ADA,
        ),
        (f"/../../kubepods-besteffort.slice/kubepods-besteffort-pod{U_ADA}.slice/x", ADA),
        (f"/../pod{ADA}/5f3c", ADA),
        (f"/kubepods/burstable/pod{ADA}/5f3c/kubepods/burstable/pod{BEN}", ADA),
        (f"/kubepods/burstable/pod{ADA}/pod{BEN}", ADA),
        (f"/user.slice/user-1001.slice/user@1001.service/kubepods/burstable/pod{BEN}", None),
        (f"/system.slice/pod{BEN}", None),
        (f"/kubepods/burstable/pod{ADA[:-1]}", None),
        (f"/kubepods/burstable/xpod{ADA}", None),
        ("/kubepods/burstable", None),
        ("/", None),
    ],
)
def test_the_outermost_pod_below_the_kubelets_own_groups_counts(path, pod):
    assert pod_in(path) == pod


@pytest.mark.parametrize(
    ("path", "pod"),
    [
        (f"/sys/nodes/kubepods/burstable/pod{ADA}/5f3c", ADA),
        (f"/sys/nodes/kubepods.slice/kubepods-pod{U_ADA}.slice/x.scope", ADA),
        (f"/../../../../sys/nodes/kubepods/pod{ADA}/5f3c", ADA),
        (f"/../../pod{ADA}/5f3c", ADA),
        (f"/kubepods/burstable/pod{BEN}/5f3c", None),
        (f"/sys/nodesx/kubepods/pod{BEN}/5f3c", None),
        (f"/sys/nodes/other/kubepods/pod{BEN}/5f3c", None),
        (f"/sys/nodes/kubepods/pod{ADA}/sys/nodes/kubepods/pod{BEN}", ADA),
    ],
)
def test_where_the_kubelet_was_given_a_root_only_the_groups_below_it_are_pods(path, pod):
    assert pod_in(path, "/sys/nodes") == pod


def test_hierarchies_that_disagree_say_nothing():
    lines = [f"6:freezer:/kubepods/pod{ADA}/c", f"4:memory:/kubepods/pod{BEN}/c", "0::/"]
    assert pod_of(lines) is None
    assert pod_of([lines[0], "4:memory:/", "0::/"]) == ADA


def test_each_spelling_of_a_pods_place_is_read_as_that_pod():
    places = list(pod_places(ADA))
    assert len(set(places)) == len(places) == 12
    assert {pod_in(place) for place in places} == {ADA}
    assert {pod_in(place, "/sys/nodes") for place in pod_places(ADA, "/sys/nodes/")} == {ADA}


class Pods:
    """A kubelet's tree as folders, and processes in it."""

    def __init__(self, folder, root="/"):
        self.tree = FreezerTree(1, folder / "tree")
        self.proc = folder / "proc"
        self.table = FakeTable()
        self.book = GroupBook(folder / "groups.json", self.proc, root)
        self.keeper = GroupKeeper(self.book, [self.tree], self.table, "n", "m")

    def make(self, place):
        self.tree.make(place)
        (self.tree.folder / place.lstrip("/") / "freezer.state").touch()

    def process(self, pid, path, **fields):
        (self.proc / str(pid)).mkdir(parents=True, exist_ok=True)
        (self.proc / str(pid) / "cgroup").write_text(f"6:freezer:{path}\n0::/\n")
        return self.table.add(pid, **fields)


@pytest.fixture
def pods(tmp_path):
    (tmp_path / "tree").mkdir()
    return Pods(tmp_path)


def of_pod(slice_id, uid, **fields):
    return slice_assignment(slice_id, "GPU-1", 1024, uid=1000, pod_uid=uid, **fields)


def test_the_processes_of_a_pod_that_the_service_named_are_its_slices(pods):
    slices = [of_pod("a", ADA)]
    pods.keeper.serve(lambda: slices)
    process = pods.process(10, f"/kubepods/burstable/pod{ADA}/c1", uid=1000)
    answers = Attribution(pods.table, pods.book.slice_at)
    answers.serve(slices)
    assert answers.slice_of(process) == "a"


def test_a_pod_that_the_service_did_not_name_is_nobodys_whatever_it_says(pods):
    slices = [of_pod("a", ADA)]
    pods.keeper.serve(lambda: slices)
    forger = pods.process(11, f"/kubepods/burstable/pod{BEN}/c1", uid=1000)
    pods.table.environments[11] = {"SUBLET_SLICE_ID": "a"}
    answers = Attribution(pods.table, pods.book.slice_at)
    answers.serve(slices)
    assert pods.book.slice_at(11) == Verdict(None)
    assert answers.slice_of(forger) is None


def test_before_any_pod_is_named_a_pods_process_is_nobodys_by_its_account(pods):
    slices = [slice_assignment("a", "GPU-1", 1024, uid=1000)]
    pods.keeper.serve(lambda: slices)
    answers = Attribution(pods.table, pods.book.slice_at)
    answers.serve(slices)
    assert answers.slice_of(pods.process(11, f"/kubepods/pod{BEN}/c1", uid=1000)) is None
    assert answers.slice_of(pods.process(12, "/user.slice/session-1.scope", uid=1000)) == "a"


def test_in_the_agents_own_pod_the_account_decides_unless_the_service_names_it(tmp_path):
    (tmp_path / "tree").mkdir()
    own = tmp_path / "proc" / str(os.getpid())
    own.mkdir(parents=True)
    (own / "cgroup").write_text(f"6:freezer:/kubepods/pod{ADA}/c1\n0::/\n")
    pods = Pods(tmp_path)
    process = pods.process(12, f"/kubepods/pod{ADA}/c1", uid=1000)
    answers = Attribution(pods.table, pods.book.slice_at)
    answers.serve([slice_assignment("a", "GPU-1", 1024, uid=1000)])
    assert answers.slice_of(process) == "a"
    pods.keeper.serve(lambda: [of_pod("b", ADA)])
    assert answers.slice_of(process) == "b"


def test_a_group_nested_in_ones_own_and_named_after_another_pod_changes_nothing(pods):
    slices = [of_pod("a", ADA), of_pod("b", BEN)]
    pods.keeper.serve(lambda: slices)
    pods.process(12, f"/kubepods/burstable/pod{BEN}/c1/kubepods/burstable/pod{ADA}", uid=1000)
    assert pods.book.slice_at(12) == Verdict("b")


def test_a_process_outside_of_all_pods_is_not_a_pods_slices_by_its_account(pods):
    slices = [of_pod("a", ADA)]
    pods.keeper.serve(lambda: slices)
    stray = pods.process(13, "/system.slice/ssh.service", uid=1000)
    pods.table.environments[13] = {"SUBLET_SLICE_ID": "a"}
    answers = Attribution(pods.table, pods.book.slice_at)
    answers.serve(slices)
    assert answers.slice_of(stray) is None


def test_a_reused_pid_is_looked_up_anew(pods):
    slices = [of_pod("a", ADA), of_pod("b", BEN)]
    pods.keeper.serve(lambda: slices)
    answers = Attribution(pods.table, pods.book.slice_at)
    answers.serve(slices)
    first = pods.process(14, f"/kubepods/pod{ADA}/c", uid=1000)
    assert answers.slice_of(first) == "a"
    second = pods.process(14, f"/kubepods/pod{BEN}/c", uid=1000, start=999)
    assert answers.slice_of(second) == "b"
    assert answers.slice_of(first) is None


@pytest.mark.parametrize("place", list(pod_places(ADA)))
def test_a_pods_group_is_found_wherever_the_kubelet_made_it(pods, place):
    pods.make(place)
    pods.keeper.serve(lambda: [of_pod("a", ADA)])
    assert pods.book.of("a").place == place
    assert not pods.book.of("a").is_own
    assert pods.keeper.unfrozen is None


def test_a_pods_group_is_found_below_the_root_that_the_kubelet_was_given(tmp_path):
    (tmp_path / "tree").mkdir()
    pods = Pods(tmp_path, "/sys/nodes")
    pods.make(f"/kubepods/pod{BEN}")
    place = f"/sys/nodes/kubepods/burstable/pod{ADA}"
    pods.make(place)
    slices = [of_pod("a", ADA), of_pod("b", BEN)]
    pods.keeper.serve(lambda: slices)
    assert pods.book.of("a").place == place
    assert pods.book.of("b") is None
    assert f"pod {BEN} has none in" in pods.keeper.unfrozen.detail
    pods.process(10, f"{place}/c1", uid=1000)
    assert pods.book.slice_at(10) == Verdict("a")


def test_a_pod_without_a_group_is_told_until_it_has_one(pods):
    pods.keeper.serve(lambda: [of_pod("a", ADA)])
    assert pods.keeper.unfrozen.why is NotFrozen.SLICE_WITHOUT_GROUP
    assert f"slice a has no control group: pod {ADA} has none in" in pods.keeper.unfrozen.detail
    pods.make(f"/kubepods/burstable/pod{ADA}")
    pods.keeper.serve(lambda: [of_pod("a", ADA)])
    assert pods.keeper.unfrozen is None


def test_a_pods_group_is_never_removed_by_the_agent(pods):
    place = f"/kubepods/burstable/pod{ADA}"
    pods.make(place)
    pods.keeper.serve(lambda: [of_pod("a", ADA)])
    pods.keeper.serve(list)
    assert pods.tree.exists(place)
