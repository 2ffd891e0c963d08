"""What `helm test` finds wrong: the codes, how long each may last, and the table of their words.

Each sentence says what is so, and what to do. It may name objects of the cluster, for only who
installs reads it; no user of the hub is ever named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, unique
from functools import cache
from string import Formatter
from typing import Final

from sublet_quota.errors import ReasonError
from sublet_quota.reasons.counted import Counted

_AT_ONCE_S: Final = 10.0
"""What is written in Kubernetes' objects does not mend itself; only they may be new."""
_SETTLING_S: Final = 30.0
"""Service, hub, proxy and agents find each other within so long, if they can."""
_STARTING_S: Final = 150.0
"""Nodes, volumes and images may come."""


@dataclass(frozen=True, slots=True)
class FaultWords:
    """A fault's sentence, and how long the fault may last before it is told."""

    patience_s: float
    sentence: str
    """A template of facts by their names."""


@unique
class Fault(Enum):
    """Something that is not as it must be."""

    _value_: FaultWords

    API_UNREADABLE = FaultWords(
        _SETTLING_S,
        "This check cannot read Kubernetes' API, so it cannot see pods: {words}. Does a network "
        "policy of yours keep pods of this namespace from the API server?",
    )
    POD_SECURITY = FaultWords(
        _AT_ONCE_S,
        "The namespace {namespace} enforces Pod Security `{level}`, which refuses agents and "
        "users' servers, for both have volumes of their node: `kubectl label --overwrite "
        "namespace {namespace} pod-security.kubernetes.io/enforce=privileged`.",
    )
    RUNTIME_CLASS = FaultWords(
        _AT_ONCE_S,
        "There is no RuntimeClass {name} (agent.runtimeClassName), so agents' pods are refused: "
        "name one of `kubectl get runtimeclasses`, or none where nodes have NVIDIA's as their "
        "default.",
    )
    PRIORITY_CLASS = FaultWords(
        _AT_ONCE_S,
        "There is no PriorityClass {name} ({value}), so pods of {whose} are refused: make it, or "
        "have the chart make one.",
    )
    ADMISSION_POLICY = FaultWords(
        _AT_ONCE_S,
        "The ValidatingAdmissionPolicyBinding {name} is not there, so nothing keeps jobs to their "
        "owner's volumes: `helm upgrade` makes it anew (jobs.admissionPolicy).",
    )
    NO_RECORDS_KIND = FaultWords(
        _AT_ONCE_S,
        "There is no kind ownerrecords.sublet.dev, so all jobs are refused, as nothing is known of "
        "owners' volumes: `kubectl apply --filename helm/sublet/crds`, and `helm upgrade`.",
    )
    NO_RECORDS = FaultWords(
        _AT_ONCE_S,
        "There are no OwnerRecords {names} in {namespace}, so jobs are refused of all owners who "
        "are recorded there: `helm upgrade` makes them anew, and they are filled as owners' "
        "servers are started again.",
    )
    RECORDS_NOT_WRITTEN = FaultWords(
        _AT_ONCE_S,
        "The hub's account {account} may not patch the OwnerRecords {names} in {namespace}, so "
        "jobs are refused whose owners start servers from now on: name the hub's account in "
        "jupyterhub.serviceAccount; `helm upgrade` makes its rights.",
    )
    PART_GONE = FaultWords(
        _AT_ONCE_S, "There is no {kind} {name} any more: `helm upgrade` makes it anew."
    )
    PODS_REFUSED = FaultWords(_AT_ONCE_S, "Kubernetes refuses the pods of {part}: {words}.")
    NO_NODE = FaultWords(
        _AT_ONCE_S,
        "No node has the label {labels} ({value}), so no agent runs: NVIDIA's GPU operator sets "
        "it; without that, `kubectl label node NODE {label}` for each node with GPUs, or name the "
        "label that they have.",
    )
    NODES_TAINTED = FaultWords(
        _AT_ONCE_S,
        "No agent runs, though {count} {count:have} the label {labels}: taints there ({taints}) "
        "keep agents off, or agent.nodeAffinity does. Name the taints in {value}.",
    )
    TOKEN_SECRET = FaultWords(
        _AT_ONCE_S,
        "The service waits for its token: there is no Secret {name} in {namespace}. "
        "zero-to-jupyterhub's chart makes it: install that into the same namespace, or name a "
        "Secret of yours (jupyterhub.tokenSecret).",
    )
    TOKEN_KEY = FaultWords(
        _AT_ONCE_S,
        "The service waits for its token: the Secret {name} has no key {key}. zero-to-jupyterhub "
        "was not told of the service: give helm/z2jh-values.yaml to its `helm upgrade`, too.",
    )
    VOLUME = FaultWords(_SETTLING_S, "A volume of {part} cannot be mounted: {words}.")
    UNSCHEDULABLE = FaultWords(_STARTING_S, "No node takes the pod of {part}: {words}.")
    IMAGE = FaultWords(
        _SETTLING_S,
        "The image of {part} cannot be had: {words}. See image.repository, image.tag and "
        "image.pullSecrets.",
    )
    CONTAINER = FaultWords(_SETTLING_S, "The container of {part} cannot be made: {words}.")
    ENDS = FaultWords(_SETTLING_S, "The program of {part} ends as soon as it starts: {words}.")
    NO_DRIVER = FaultWords(
        _SETTLING_S,
        "Agents cannot work as they are set up: {words}. Where that is of NVML, their containers "
        "have no driver: name the RuntimeClass of NVIDIA's container toolkit "
        "(agent.runtimeClassName, often `nvidia`), and see whether the node has the driver.",
    )
    STARTING = FaultWords(_STARTING_S, "{part}: {ready} of {wanted} ready.")
    SERVICE_UNREACHABLE = FaultWords(
        _SETTLING_S,
        "The service runs, and this pod cannot reach it at {url}: {words}. Does a network policy "
        "of yours keep pods of this namespace from each other, or from names (port 53)?",
    )
    QUOTA_REFUSED = FaultWords(
        _AT_ONCE_S,
        "The quota document (`quota` in the values) is wrong, and the one before stays in force: "
        "`{command}` says what is wrong with it.",
    )
    HUB_UNREACHABLE = FaultWords(
        _SETTLING_S,
        "The service cannot reach the hub at {url}. Is that where it is (jupyterhub.hubUrl), does "
        "it run, and does a network policy keep them apart? zero-to-jupyterhub's own lets pods "
        'with `hub.jupyter.org/network-access-hub: "true"` in, as the service\'s is.',
    )
    HUB_LABELS = FaultWords(
        _SETTLING_S,
        "The service cannot reach the hub: the hub's pod has not the labels {labels}, by which "
        "the chart's network policies know it. Name its labels in jupyterhub.podLabels.",
    )
    NO_HUB = FaultWords(
        _SETTLING_S,
        "What answers at {url} is not JupyterHub: is jupyterhub.baseUrl the `hub.baseUrl` of "
        "zero-to-jupyterhub?",
    )
    TOKEN_REFUSED = FaultWords(
        _SETTLING_S,
        "The hub does not know the service's token ({key} in the Secret {name}). Was "
        "zero-to-jupyterhub told of the service by helm/z2jh-values.yaml, is it the hub of that "
        "Secret, and was the service started after the Secret was changed? `{restart}` has it "
        "read the token anew.",
    )
    TOKEN_OF_ANOTHER = FaultWords(
        _SETTLING_S,
        "The token ({key} in the Secret {name}) is that of somebody else than the service "
        "`sublet`: see jupyterhub.tokenSecret.",
    )
    SCOPES = FaultWords(
        _SETTLING_S,
        "The hub does not let the service see users and servers: its role `sublet-service` is "
        "missing. It comes with hub.extraConfig.zz-sublet of helm/z2jh-values.yaml: give that "
        "file to the `helm upgrade` of zero-to-jupyterhub, and set no other extraConfig of that "
        "name.",
    )
    CANNOT_STOP_SERVERS = FaultWords(
        _SETTLING_S,
        "The hub does not let the service stop servers, so admins cannot evict them: its role "
        "`sublet-service` lacks the scope delete:servers. It comes with hub.extraConfig.zz-sublet "
        "of helm/z2jh-values.yaml and Sublet's own package in the hub's image: bring both to this "
        "release.",
    )
    CANNOT_START_SERVERS = FaultWords(
        _SETTLING_S,
        "The hub does not let the service start servers, so none that waits in line is started "
        "when its turn comes: its role `sublet-service` lacks the scope servers. It comes "
        "with hub.extraConfig.zz-sublet of helm/z2jh-values.yaml and Sublet's own package in the "
        "hub's image: bring both to this release.",
    )
    CANNOT_LIST_GROUPS = FaultWords(
        _SETTLING_S,
        "The hub does not tell the service of its groups, so nobody is warned of a group that the "
        "quota document names and the hub has not: its role `sublet-service` lacks the scope "
        "list:groups. It comes with hub.extraConfig.zz-sublet of helm/z2jh-values.yaml and "
        "Sublet's own package in the hub's image: bring both to this release.",
    )
    PROXY_UNREACHABLE = FaultWords(
        _SETTLING_S,
        "The hub's proxy cannot be reached at {url}, where users' servers look for it: {words}. "
        "Is that its Service (jupyterhub.proxyUrl), and does its network policy let pods of this "
        "namespace in (proxy.chp.networkPolicy of zero-to-jupyterhub)?",
    )
    NO_ROUTE = FaultWords(
        _SETTLING_S,
        "The hub's proxy has no way to the service ({url} answers {status}): the hub was not told "
        "of it, or is called otherwise in there. Give helm/z2jh-values.yaml to the `helm upgrade` "
        "of zero-to-jupyterhub; jupyterhub.baseUrl must be its `hub.baseUrl`.",
    )
    PROXY_TO_SERVICE = FaultWords(
        _SETTLING_S,
        "The hub's proxy cannot reach the service ({url} answers {status}). Is "
        "custom.sublet.serviceAddress as the notes of this release say, and do network policies "
        "let proxy and hub reach it (egress of proxy.chp.networkPolicy and hub.networkPolicy in "
        "zero-to-jupyterhub, jupyterhub.podLabels here)?",
    )
    AGENTS_REFUSED = FaultWords(
        _SETTLING_S,
        "Of {ready} agents that run {agents} report: the service refuses others, for {why}.",
    )
    AGENTS_UNHEARD = FaultWords(
        _SETTLING_S,
        "Of {ready} agents that run {agents} report, and no other was heard of: they do not reach "
        "the service at {url}. Does a network policy keep them from it, or from names (port 53)? "
        "`{logs}` says what they see.",
    )
    AGENTS_SILENT = FaultWords(
        _SETTLING_S,
        "Nodes that were known with GPUs and do not report: {count}. See by `{pods}` whether "
        "agents run on every node with GPUs ({value}), and read their logs.",
    )
    NO_CARDS = FaultWords(
        _SETTLING_S,
        "Agents that report no GPU: {count}. See by `{logs}` which they found, and whether "
        "agent.settings.gpus leaves all out.",
    )
    UNFIT = FaultWords(
        _SETTLING_S, "No GPU is fit to be lent: {why}. `sublet gpus` has the details."
    )
    BEING_CHECKED = FaultWords(
        _STARTING_S, "Whether memory can be moved on the GPUs safely is still being tried."
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, with what was seen of it."""

    fault: Fault
    sentence: str

    @property
    def patience_s(self) -> float:
        """How long the fault may last before it is told."""
        return self.fault.value.patience_s


@cache
def facts_of(fault: Fault) -> frozenset[str]:
    """Return the names of the facts that a fault's sentence needs."""
    parsed = Formatter().parse(fault.value.sentence)
    return frozenset(name for _, name, _, _ in parsed if name)


def found(fault: Fault, /, **facts: str | int) -> Finding:
    """Return a finding. ``ReasonError`` where the facts are not those of the fault."""
    needed = facts_of(fault)
    if facts.keys() != needed:
        message = f"{fault.name} needs {sorted(needed)}, and was given {sorted(facts)}"
        raise ReasonError(message)
    return Finding(fault, fault.value.sentence.format_map(_trimmed(facts)))


def _trimmed(facts: Mapping[str, str | int]) -> Mapping[str, str | int]:
    """Return facts without the full stop of a foreign sentence: ours follows."""
    return {name: _without_stop(fact) for name, fact in facts.items()}


def _without_stop(fact: str | int) -> str | int:
    match fact:
        case int() | Counted():
            return fact
        case _:
            return fact.strip().removesuffix(".")
