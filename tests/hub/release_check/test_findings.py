"""One mistake of an installation, and the one thing that is told of it."""

import pytest
from sublet_hub.release_check.facts import (
    ContainerFacts,
    MissingToken,
    NodeFacts,
    PartFacts,
    Reached,
    RecordsFacts,
    RecordsStanding,
    Seen,
)
from sublet_hub.release_check.findings import find_faults
from sublet_quota.errors import ReasonError
from sublet_quota.reasons.installation.faults import Fault, facts_of, found
from sublet_quota.reasons.installation.standings import AgentRefusal, refusal_clause

from tests.support.releases import (
    LABEL,
    cluster,
    pods,
    release,
    seen,
    waiting,
    with_health,
    without_service,
)

NO_LABEL = (NodeFacts("gpu-1", {}), NodeFacts("core-1", {}))
TAINTED = (NodeFacts("gpu-1", {LABEL: "true"}, ("sublet.dev/gpus=only:NoSchedule",)),)
MISTAKES: dict[str, tuple[Seen, Fault, str]] = {
    "the API server is out of reach": (
        seen(cluster=None, unreadable="timed out."),
        Fault.API_UNREADABLE,
        "cannot see pods: timed out. Does",
    ),
    "pod security": (
        seen(cluster=cluster(pod_security="baseline", agents=PartFacts(2, (), "forbidden"))),
        Fault.POD_SECURITY,
        "kubectl label --overwrite namespace jhub pod-security.kubernetes.io/enforce=privileged",
    ),
    "no such runtime class": (
        seen(cluster=cluster(missing_runtime_class=True, agents=PartFacts(2, (), "forbidden"))),
        Fault.RUNTIME_CLASS,
        "There is no RuntimeClass nvidia",
    ),
    "no class of agents": (
        seen(
            cluster=cluster(
                missing_priority_classes=("priorityClasses.agents",),
                agents=PartFacts(2, (), "forbidden"),
            )
        ),
        Fault.PRIORITY_CLASS,
        "jhub-sublet-agent (priorityClasses.agents), so pods of agents are refused",
    ),
    "no class of jobs": (
        seen(cluster=cluster(missing_priority_classes=("priorityClasses.jobs",))),
        Fault.PRIORITY_CLASS,
        "jhub-sublet-job (priorityClasses.jobs), so pods of jobs are refused",
    ),
    "no policy for jobs": (
        seen(cluster=cluster(missing_policies=("jhub-sublet-jobs",))),
        Fault.ADMISSION_POLICY,
        "jhub-sublet-jobs",
    ),
    "no kind of records": (
        seen(cluster=cluster(records=RecordsFacts(RecordsStanding.NO_KIND))),
        Fault.NO_RECORDS_KIND,
        "kubectl apply --filename helm/sublet/crds",
    ),
    "no records": (
        seen(
            cluster=cluster(
                records=RecordsFacts(RecordsStanding.NO_OBJECT, ("sublet-0", "sublet-1"))
            )
        ),
        Fault.NO_RECORDS,
        "no OwnerRecords sublet-0, sublet-1 in jhub, so jobs are refused of all owners who",
    ),
    "records that the hub may not write": (
        seen(cluster=cluster(records=RecordsFacts(RecordsStanding.NOT_WRITTEN, ("sublet-0",)))),
        Fault.RECORDS_NOT_WRITTEN,
        "hub's account hub may not patch the OwnerRecords sublet-0 in jhub",
    ),
    "agents' pods are refused for something else": (
        seen(cluster=cluster(agents=PartFacts(2, (), "exceeded quota: small"))),
        Fault.PODS_REFUSED,
        "refuses the pods of the agents: exceeded quota: small.",
    ),
    "no label": (
        seen(cluster=cluster(agents=PartFacts(0, ()), nodes=NO_LABEL)),
        Fault.NO_NODE,
        f"kubectl label node NODE {LABEL}=true",
    ),
    "taints": (
        seen(cluster=cluster(agents=PartFacts(0, ()), nodes=TAINTED)),
        Fault.NODES_TAINTED,
        "(sublet.dev/gpus=only:NoSchedule) keep agents off",
    ),
    "no secret": (
        without_service(
            PartFacts(1, pods(1, ready=False, unmounted="x", missing_token=MissingToken("hub")))
        ),
        Fault.TOKEN_SECRET,
        "no Secret hub in jhub",
    ),
    "no key": (
        without_service(
            PartFacts(
                1,
                pods(1, ready=False, unmounted="x", missing_token=MissingToken("hub", "the.key")),
            )
        ),
        Fault.TOKEN_KEY,
        "the Secret hub has no key the.key",
    ),
    "another secret": (
        without_service(
            PartFacts(
                1, pods(1, ready=False, unmounted="words", missing_token=MissingToken("metrics"))
            )
        ),
        Fault.VOLUME,
        "A volume of the service cannot be mounted: words.",
    ),
    "no node": (
        without_service(PartFacts(1, pods(1, ready=False, unschedulable="0/3 nodes"))),
        Fault.UNSCHEDULABLE,
        "the service: 0/3 nodes.",
    ),
    "no image": (
        without_service(PartFacts(1, waiting(1, waits="ErrImagePull", waits_words="not found"))),
        Fault.IMAGE,
        "not found. See image.repository",
    ),
    "a variable from nowhere": (
        without_service(
            PartFacts(1, waiting(1, waits="CreateContainerConfigError", waits_words="no key"))
        ),
        Fault.CONTAINER,
        "the service cannot be made: no key",
    ),
    "a quota document that was wrong at the start": (
        without_service(
            PartFacts(
                1,
                waiting(
                    1, waits="CrashLoopBackOff", exit_status=1, last_words="the quota file has ..."
                ),
            )
        ),
        Fault.ENDS,
        "the service ends as soon as it starts: the quota file has",
    ),
    "a service that starts": (
        without_service(PartFacts(1, waiting(1, waits="ContainerCreating"))),
        Fault.STARTING,
        "the service: 0 of 1 pod ready",
    ),
    "no Deployment": (without_service(None), Fault.PART_GONE, "no Deployment sublet any more"),
    "no DaemonSet": (seen(cluster=cluster(agents=None)), Fault.PART_GONE, "DaemonSet sublet-agent"),
    "the service is out of the check's reach": (
        without_service(PartFacts(1, pods(1))),
        Fault.SERVICE_UNREACHABLE,
        "cannot reach it at http://sublet.jhub:8901/services/sublet/: Connection refused",
    ),
    "no driver": (
        seen(
            cluster=cluster(
                agents=PartFacts(
                    2, waiting(waits="CrashLoopBackOff", exit_status=78, last_words="NVML ...")
                )
            )
        ),
        Fault.NO_DRIVER,
        "agent.runtimeClassName",
    ),
    "agents that end": (
        seen(cluster=cluster(agents=PartFacts(2, (*pods(1), *waiting(1, exit_status=1))))),
        Fault.ENDS,
        "the agents ends as soon as it starts: exit status 1",
    ),
    "one agent starts": (
        seen(cluster=cluster(agents=PartFacts(2, (*pods(1), *waiting(1))))),
        Fault.STARTING,
        "the agents: 1 of 2",
    ),
    "the quota document": (
        with_health(quota="refused"),
        Fault.QUOTA_REFUSED,
        "kubectl --namespace jhub logs deployment/sublet",
    ),
    "the hub is out of reach": (
        with_health(hub="unreachable"),
        Fault.HUB_UNREACHABLE,
        "http://hub.jhub:8081/hub/api",
    ),
    "the hub has other labels": (
        Seen(
            cluster(other_hub_labels=True),
            with_health(hub="unreachable").direct,
        ),
        Fault.HUB_LABELS,
        "labels app=jupyterhub",
    ),
    "no hub there": (with_health(hub="no-hub"), Fault.NO_HUB, "jupyterhub.baseUrl"),
    "the token is not known": (
        with_health(hub="refuses-token"),
        Fault.TOKEN_REFUSED,
        "kubectl --namespace jhub rollout restart deployment/sublet",
    ),
    "another's token": (
        with_health(hub="token-of-another"),
        Fault.TOKEN_OF_ANOTHER,
        "see jupyterhub.tokenSecret",
    ),
    "no scope to stop servers": (
        with_health(hub="cannot-stop-servers"),
        Fault.CANNOT_STOP_SERVERS,
        "delete:servers",
    ),
    "no scope to start servers": (
        with_health(hub="cannot-start-servers"),
        Fault.CANNOT_START_SERVERS,
        "servers",
    ),
    "no scope to list groups": (
        with_health(hub="cannot-list-groups"),
        Fault.CANNOT_LIST_GROUPS,
        "list:groups",
    ),
    "no scopes": (with_health(hub="lacks-scopes"), Fault.SCOPES, "zz-sublet"),
    "the hub was not asked yet": (with_health(hub="unasked"), Fault.STARTING, "the hub"),
    "no proxy": (
        seen(by_proxy=Reached(words="timed out")),
        Fault.PROXY_UNREACHABLE,
        "jupyterhub.proxyUrl",
    ),
    "no route": (
        seen(by_proxy=Reached(status=404)),
        Fault.NO_ROUTE,
        "(http://proxy-public.jhub/services/sublet/ answers 404)",
    ),
    "a route to the hub's log-in": (seen(by_proxy=Reached(status=302)), Fault.NO_ROUTE, "302"),
    "the proxy does not reach the service": (
        seen(by_proxy=Reached(status=503)),
        Fault.PROXY_TO_SERVICE,
        "custom.sublet.serviceAddress",
    ),
    "agents that are refused": (
        with_health(agents=1, refused_agents={"unknown": 7}),
        Fault.AGENTS_REFUSED,
        "Of 2 agents that run 1 report: the service refuses others, for Kubernetes does not know",
    ),
    "agents that are not heard of": (
        with_health(agents=0),
        Fault.AGENTS_UNHEARD,
        "kubectl --namespace jhub logs daemonset/sublet-agent",
    ),
    "a silent node": (with_health(silent_agents=1), Fault.AGENTS_SILENT, "get daemonsets,pods"),
    "no card": (with_health(agents_without_cards=1, cards=0), Fault.NO_CARDS, "report no GPU: 1."),
    "no card is fit": (
        with_health(unfit_cards=4, unfit={"driver-unloads": 4}),
        Fault.UNFIT,
        "nvidia-smi -pm 1` (4). `sublet gpus`",
    ),
    "cards are being tried": (
        with_health(unfit_cards=4, unfit={"being-checked": 1, "canary-stuck": 3}),
        Fault.BEING_CHECKED,
        "still being tried",
    ),
}


@pytest.mark.parametrize(("what", "fault", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_alone_with_what_to_do(what: Seen, fault: Fault, words: str) -> None:
    (finding,) = find_faults(release(), what)
    assert finding.fault is fault
    assert words in finding.sentence
    assert finding.sentence.endswith((".", "?"))
    assert ".." not in finding.sentence.replace("...", "")


def test_every_fault_is_one_that_a_mistake_has_told() -> None:
    assert {fault for _, fault, _ in MISTAKES.values()} == set(Fault)


def test_nothing_is_told_where_nothing_is_wrong() -> None:
    assert find_faults(release(), seen()) == ()


@pytest.mark.parametrize(
    "told",
    [
        with_health(unfit_cards=1, unfit={"canary-lost": 1}),
        with_health(unfit_cards=4, unfit={"split": 4}),
        with_health(unfit_cards=4, unfit={"mps": 4}),
        with_health(refused_agents={"unknown": 1000}),
        with_health(agents=3),
    ],
    ids=["one unfit card", "MIG", "MPS", "somebody else's false tokens", "an agent elsewhere"],
)
def test_what_is_no_mistake_is_not_told(told: Seen) -> None:
    assert find_faults(release(), told) == ()


def test_cards_on_which_nothing_is_lent_need_not_be_fit() -> None:
    settings = release()
    assert settings.agents is not None
    agents = settings.agents.model_copy(update={"lend": False})
    told = with_health(unfit_cards=4, unfit={"driver": 4})
    assert find_faults(settings.model_copy(update={"agents": agents}), told) == ()


def test_where_no_agents_are_demanded_none_is_missed() -> None:
    told = with_health(agents=0, cards=0, silent_agents=3)
    assert find_faults(release(agents=None), told) == ()


def test_several_mistakes_are_told_together() -> None:
    service = PartFacts(1, pods(1, ready=False, unmounted="x", missing_token=MissingToken("hub")))
    what = without_service(service, pod_security="restricted", agents=PartFacts(0, ()), nodes=())
    faults = [each.fault for each in find_faults(release(), what)]
    assert faults == [Fault.POD_SECURITY, Fault.TOKEN_SECRET, Fault.NO_NODE]


def test_a_proxy_that_asks_the_hub_in_vain_is_not_told_beside_the_hub() -> None:
    away = with_health(hub="unreachable")
    (finding,) = find_faults(release(), Seen(away.cluster, away.direct, Reached(status=503)))
    assert finding.fault is Fault.HUB_UNREACHABLE


def test_a_container_beside_the_one_that_ends_is_passed_over() -> None:
    both = (ContainerFacts(), ContainerFacts(waits="ImagePullBackOff", waits_words="no such tag"))
    part = PartFacts(2, pods(2, ready=False, containers=both))
    (finding,) = find_faults(release(), seen(cluster=cluster(agents=part)))
    assert finding.fault is Fault.IMAGE


def test_a_sentence_needs_exactly_its_facts() -> None:
    assert facts_of(Fault.RUNTIME_CLASS) == {"name"}
    with pytest.raises(ReasonError, match="RUNTIME_CLASS needs"):
        found(Fault.RUNTIME_CLASS, name="nvidia", other="x")


@pytest.mark.parametrize("why", AgentRefusal)
def test_each_refusal_of_an_agent_has_words(why: AgentRefusal) -> None:
    assert refusal_clause(why)
