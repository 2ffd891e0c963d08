"""Mutants of what the chart gives agents, and of what Kubernetes lets the service do: 19 and 20.

What the admission policy refuses is in `admission.py`.
"""

from typing import Final

from tests.security.mutant import Mutant

_DAEMON_SET: Final = "helm/sublet/templates/agent/daemonset.yaml"
_RIGHTS: Final = "helm/sublet/templates/agent/configuration.yaml"
_RIGHT_TESTS: Final = "tests/helm/test_rights.py"
_POD: Final = "hub_ext/sublet_hub/jobs/backends/kubernetes/objects/pod.py"
_MANIFESTS: Final = "tests/hub/jobs/kubernetes/test_manifests.py"
_NEEDS: Final = "tests/helm/test_agent_needs.py"
_TOKENS: Final = "spawner/sublet_spawner/server_secret.py"
_IN_SECRETS: Final = (
    "tests/spawner/test_server_secret.py::test_no_token_is_in_a_pod_and_its_server_is_told_them_all"
)

MUTANTS: Final = (
    Mutant(
        19,
        "the agent is privileged",
        _RIGHTS,
        "privileged: false\n",
        "privileged: true\n",
        (f"{_RIGHT_TESTS}::test_no_container_is_privileged_or_writes_to_its_image",),
    ),
    Mutant(
        19,
        "the agent has one right more",
        _RIGHTS,
        "    - KILL\n",
        "    - KILL\n    - SYS_ADMIN\n",
        (f"{_NEEDS}::test_there_is_a_test_for_each_right_that_the_chart_gives",),
    ),
    Mutant(
        19,
        "the agent has no SYS_PTRACE",
        _RIGHTS,
        "    - SYS_PTRACE\n",
        "",
        (f"{_NEEDS}::test_without_sys_ptrace_nobody_could_be_suspended",),
    ),
    Mutant(
        19,
        "the agent has no KILL",
        _RIGHTS,
        "    - KILL\n",
        "",
        (f"{_NEEDS}::test_without_kill_whoever_stops_themselves_would_stop_their_own_move",),
    ),
    Mutant(
        19,
        "the node's processes are not seen",
        _DAEMON_SET,
        "      hostPID: true\n",
        "",
        (f"{_NEEDS}::test_there_is_a_test_for_each_right_that_the_chart_gives",),
    ),
    Mutant(
        19,
        "the node's control groups cannot be changed",
        _DAEMON_SET,
        "{name: control-groups, mountPath: /host/cgroup}",
        "{name: control-groups, mountPath: /host/cgroup, readOnly: true}",
        (f"{_NEEDS}::test_without_the_nodes_control_groups_no_slice_could_be_frozen",),
    ),
    Mutant(
        19,
        "the journal ends with the pod",
        _DAEMON_SET,
        "hostPath: {path: {{ $paths.journal }}, type: DirectoryOrCreate}",
        "emptyDir: {}",
        (f"{_NEEDS}::test_there_is_a_test_for_each_right_that_the_chart_gives",),
    ),
    Mutant(
        19,
        "the agent has rights at Kubernetes' API",
        _DAEMON_SET,
        "      automountServiceAccountToken: false\n",
        "",
        (f"{_RIGHT_TESTS}::test_an_agent_s_only_token_is_for_the_service",),
    ),
    Mutant(
        20,
        "the service reads Secrets",
        "helm/sublet/templates/service/rbac.yaml",
        '  - apiGroups: [""]\n    resources: [nodes]\n',
        '  - apiGroups: [""]\n    resources: [nodes, secrets]\n',
        (
            f"{_RIGHT_TESTS}::test_rights_equal_the_list",
            f"{_RIGHT_TESTS}::test_nobody_reads_secrets_enters_pods_or_may_do_everything",
        ),
    ),
    Mutant(
        20,
        "the service enters pods",
        "helm/sublet/templates/jobs/rbac.yaml",
        "resources: [pods/log]",
        "resources: [pods/log, pods/exec]",
        (f"{_RIGHT_TESTS}::test_nobody_reads_secrets_enters_pods_or_may_do_everything",),
    ),
    Mutant(
        20,
        "a job's pod has the hub's environment",
        _POD,
        "if not is_reserved(k)}",
        "if k}",
        (f"{_MANIFESTS}::test_no_token_and_nothing_of_the_hubs_is_in_a_jobs_pod",),
    ),
    Mutant(
        20,
        "a job's pod has a token of a service account",
        _POD,
        '"automountServiceAccountToken": False',
        '"automountServiceAccountToken": True',
        (f"{_MANIFESTS}::test_no_token_and_nothing_of_the_hubs_is_in_a_jobs_pod",),
    ),
    Mutant(
        20,
        "tokens stay in the pod's environment",
        _TOKENS,
        "if value and _must_be_hidden(name, value, token):",
        "if False:",
        (_IN_SECRETS,),
    ),
    Mutant(
        20,
        "a token that stands in another variable stays in the pod",
        _TOKENS,
        "if token and token in value:",
        "if False:",
        (_IN_SECRETS,),
    ),
    Mutant(
        20,
        "where the hub may not make Secrets, tokens are in pods unasked",
        "spawner/sublet_spawner/kube.py",
        "if self.tokens_in_secrets != IF_ALLOWED:",
        "if False:",
        (
            (
                "tests/spawner/test_server_secret.py::"
                "test_without_the_right_to_make_secrets_no_server_starts_and_it_says_what_helps"
            ),
        ),
    ),
    Mutant(
        20,
        "other secrets stay in the pod's environment",
        _TOKENS,
        'return is_secret(name) and "$(" not in value',
        "return False",
        (_IN_SECRETS,),
    ),
    Mutant(
        20,
        "jobs reach the metadata of clouds",
        "helm/sublet/templates/jobs/networkpolicy.yaml",
        '"168.63.129.16/32" ',
        "",
        (f"{_RIGHT_TESTS}::test_jobs_reach_no_metadata_of_a_cloud_but_public_addresses",),
    ),
    Mutant(
        20,
        "what a server only reads its owner's jobs may write",
        "spawner/sublet_spawner/owner_records.py",
        'bool(is_read_only or mount.get("readOnly"))',
        "False",
        (
            (
                "tests/spawner/test_owner_records.py::"
                "test_a_record_has_what_jobs_may_have_of_a_pod_and_nothing_of_the_server_s_own"
            ),
        ),
    ),
)
