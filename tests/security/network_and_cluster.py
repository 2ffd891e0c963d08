"""Mutants of what agents, the network and Kubernetes are let do: rules 17 to 20."""

from typing import Final

from tests.security.mutant import Mutant

_CONNECTION: Final = "hub_ext/sublet_hub/agents/connection.py"
_CONNECTIONS: Final = "tests/hub/agents/test_connection.py"
_NO_AGENT: Final = f"{_CONNECTIONS}::test_who_is_no_agent_does_not_get_in"
_OLD: Final = f"{_CONNECTIONS}::test_old_epochs_and_replayed_reports_end_the_connection"
_TOKENS: Final = "hub_ext/sublet_hub/agents/kubernetes_tokens.py"
_OTHER_TOKENS: Final = "tests/hub/agents/test_kubernetes_tokens.py::test_other_tokens_are_nobodys"
_FLEET: Final = "hub_ext/sublet_hub/state/fleet.py"
_COMPROMISED: Final = "tests/hub/agents/test_compromised_agent.py"
_DAEMON_SET: Final = "helm/sublet/templates/agent/daemonset.yaml"
_RIGHTS: Final = "helm/sublet/templates/agent/configuration.yaml"
_RIGHT_TESTS: Final = "tests/helm/test_rights.py"
_POD: Final = "hub_ext/sublet_hub/jobs/backends/kubernetes/objects/pod.py"
_MANIFESTS: Final = "tests/hub/jobs/kubernetes/test_manifests.py"
_NEEDS: Final = "tests/helm/test_agent_needs.py"
_HIDING: Final = "spawner/sublet_spawner/server_secret.py"
_HIDDEN: Final = (
    "tests/spawner/test_server_secret.py::test_no_token_is_in_a_pod_and_its_server_is_told_them_all"
)

MUTANTS: Final = (
    Mutant(
        17,
        "browsers may connect",
        _CONNECTION,
        'if "Origin" in self.request.headers or "Sec-Fetch-Mode" in self.request.headers:',
        "if False:",
        (_NO_AGENT,),
    ),
    Mutant(
        17,
        "a secret may stand in the address",
        _CONNECTION,
        "if self.request.query:",
        "if False:",
        (_NO_AGENT,),
    ),
    Mutant(
        17,
        "reports may be replayed",
        _CONNECTION,
        "if message.sequence <= view.sequence:",
        "if False:",
        (_OLD,),
    ),
    Mutant(
        17,
        "an old connection's epoch is as good as the new one's",
        _CONNECTION,
        "if epoch != self.view.epoch:",
        "if False:",
        (_OLD,),
    ),
    Mutant(
        17,
        "a token for another audience is an agent's",
        _TOKENS,
        ' or AUDIENCE not in list(status.get("audiences") or []):',
        ":",
        (_OTHER_TOKENS,),
    ),
    Mutant(
        17,
        "a token of any account is an agent's",
        _TOKENS,
        'if user.get("username") != self._account.user_name:',
        "if False:",
        (_OTHER_TOKENS,),
    ),
    Mutant(
        18,
        "an agent may name itself another node",
        _CONNECTION,
        "if hello.node != self.node:",
        "if False:",
        (f"{_CONNECTIONS}::test_a_secret_is_good_for_its_own_node_alone",),
    ),
    Mutant(
        18,
        "other nodes' slices are believed",
        _FLEET,
        "return record is not None and record.gpu.node == view.node",
        "return record is not None",
        (f"{_COMPROMISED}::test_what_it_reports_of_another_nodes_slice_is_not_believed",),
    ),
    Mutant(
        18,
        "other nodes' cards are believed",
        _FLEET,
        "if known is None or known.node == view.node:",
        "if True:",
        (f"{_COMPROMISED}::test_what_it_reports_of_another_nodes_card_is_not_believed",),
    ),
    Mutant(
        18,
        "the cards of a silent node are whose agent names them first",
        _FLEET,
        "return self.is_silent(known.node) and not self._ledger.slices_on_gpu(known.gpu_id)",
        "return self.is_silent(known.node)",
        (
            (
                f"{_COMPROMISED}::"
                "test_it_does_not_get_the_card_of_a_node_that_is_silent_while_that_holds_a_slice"
            ),
        ),
    ),
    Mutant(
        18,
        "events about other nodes' slices are stored",
        "hub_ext/sublet_hub/agents/connection_registry.py",
        "return own_gpu and (record is None or record.gpu.node == view.node)",
        "return own_gpu",
        (f"{_COMPROMISED}::test_no_event_of_its_is_stored_about_another_nodes_slice_or_card",),
    ),
    Mutant(
        18,
        "events about other nodes' cards are stored",
        "hub_ext/sublet_hub/agents/connection_registry.py",
        "own_gpu = gpu is not None and gpu.node == view.node",
        "own_gpu = gpu is not None",
        (f"{_COMPROMISED}::test_no_event_of_its_is_stored_about_another_nodes_slice_or_card",),
    ),
    Mutant(
        18,
        "an agent names others' owners to its own tenants",
        "hub_ext/sublet_hub/web/views/slices.py",
        "        lent_to = self._shown_ids(report.lent_to, viewer)\n",
        "        lent_to = report.lent_to\n",
        (
            (
                f"{_COMPROMISED}::"
                "test_what_it_reports_as_lent_shows_its_tenants_nothing_of_another_nodes_owner"
            ),
        ),
    ),
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
        "servers' tokens are in their pods",
        _HIDING,
        "if value and _must_be_hidden(name, value, token):",
        "if False:",
        (_HIDDEN,),
    ),
    Mutant(
        20,
        "a server's token is in its pod where it is part of another variable",
        _HIDING,
        "if token and token in value:",
        "if False:",
        (_HIDDEN,),
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
