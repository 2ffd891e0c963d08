"""Mutants of what a tenant may do to agents and neighbours: rules 1 to 4."""

from typing import Final

from tests.security.mutant import Mutant

_ATTRIBUTION: Final = "hub_ext/sublet_agent/cgroups/attribution.py"
_RESTORE: Final = "hub_ext/sublet_agent/moves/restore.py"
_FREEZING: Final = "hub_ext/sublet_agent/cgroups/freezing.py"
_GROUPS: Final = "hub_ext/sublet_agent/cgroups/registry.py"
_OUTSIDERS: Final = "hub_ext/sublet_agent/cgroups/outsiders.py"
_SIGHTINGS: Final = "hub_ext/sublet_agent/cgroups/sightings.py"
_ONE_PROCESS: Final = "hub_ext/sublet_agent/moves/one_process.py"
_CALLS: Final = "hub_ext/sublet_procfs/reader_process.py"
_IN_CALLS: Final = "tests/agent/cgroups/test_driver_calls.py"
_ACTIVITY: Final = "hub_ext/sublet_agent/residency/activity.py"
_CAPACITY: Final = "hub_ext/sublet_hub/state/capacity.py"
_ATTRIBUTIONS: Final = "tests/agent/cgroups/test_attribution.py"
_PODS: Final = "tests/agent/cgroups/test_pod_groups.py"
_HELPERS: Final = "tests/agent/driver_helper/test_service.py"
_RESUMES: Final = "tests/agent/moves/test_resume.py"
_FREEZES: Final = "tests/agent/moves/test_moves_with_freezer.py"
_OUTSIDE: Final = "tests/agent/cgroups/test_outsiders.py"
_CHAINS: Final = "tests/agent/cgroups/test_chains.py"
_TWO_GPUS: Final = "tests/agent/cgroups/test_two_gpus.py"
_HOLDINGS: Final = "tests/agent/cgroups/test_holding.py"
_ACTIVITIES: Final = "tests/agent/residency/test_activity.py"
_IN_FULL: Final = (
    "tests/hub/state/test_capacity.py"
    "::test_a_slice_that_its_agent_cannot_suspend_counts_in_full_and_the_surplus_is_refused"
)

MUTANTS: Final = (
    Mutant(
        1,
        "a pod that the service did not name is judged by its account",
        _ATTRIBUTION,
        "if verdict is not None and self._table.is_alive(identity):",
        "if verdict is not None and verdict.slice_id is not None:",
        (f"{_PODS}::test_before_any_pod_is_named_a_pods_process_is_nobodys_by_its_account",),
    ),
    Mutant(
        1,
        "the environment names slices of other accounts, too",
        _ATTRIBUTION,
        "if s.uid == uid and s.pod_uid is None",
        "if s.pod_uid is None",
        (f"{_ATTRIBUTIONS}::test_a_forged_environment_of_another_account_is_not_believed",),
    ),
    Mutant(
        1,
        "a peer whose account has changed is still who connected",
        _ATTRIBUTION,
        " or self._table.uid(identity.pid) != peer.uid:\n            return None\n",
        ":\n            return None\n",
        (f"{_ATTRIBUTIONS}::test_a_socket_peer_whose_account_is_another_now_is_nobody",),
    ),
    Mutant(
        1,
        "an answer about a pid is kept for whoever has it later",
        _ATTRIBUTION,
        "known = self._known.get(identity)",
        "known = next((s for i, s in self._known.items() if i.pid == identity.pid), None)",
        (f"{_ATTRIBUTIONS}::test_a_reused_pid_is_looked_at_anew",),
    ),
    Mutant(
        1,
        "a group below one of a tenant's own counts as a pod",
        "hub_ext/sublet_agent/cgroups/pods.py",
        "        if _ABOVE.fullmatch(component) is None:\n            return None\n",
        "",
        (f"{_PODS}::test_the_outermost_pod_below_the_kubelets_own_groups_counts",),
    ),
    Mutant(
        1,
        "whoever has a pid by the time it has stopped is suspended",
        _ONE_PROCESS,
        "        return None\n    target = target.on_its_card\n    # CUDA IPC",
        "    target = target.on_its_card\n    # CUDA IPC",
        ("tests/agent/moves/test_suspend.py::test_a_reused_pid_is_never_suspended",),
    ),
    Mutant(
        1,
        "the driver is called for whoever has a pid by then",
        "hub_ext/sublet_agent/driver_helper/worker.py",
        "if identity is None or identity.start_ticks != request.start_ticks:",
        "if identity is None:",
        (
            (
                "tests/agent/driver_helper/test_driver_helper.py::"
                "test_a_pid_that_changed_hands_is_not_called_for"
            ),
        ),
    ),
    Mutant(
        2,
        "a lock may wait for ever",
        "hub_ext/sublet_agent/driver_helper/messages.py",
        "if self.operation is Operation.LOCK and self.timeout_ms < 1:",
        "if self.operation is Operation.LOCK and self.timeout_ms < 0:",
        (f"{_HELPERS}::test_a_lock_that_would_wait_for_ever_is_not_asked_for",),
    ),
    Mutant(
        2,
        "a lock that comes after nobody waits for it lasts",
        "hub_ext/sublet_agent/driver_helper/service.py",
        "if locked and not given_up.asker_left:",
        "if False:",
        (f"{_HELPERS}::test_a_lock_that_comes_too_late_is_taken_back_before_anything_else",),
    ),
    Mutant(
        2,
        "who was paused beside one that cannot be stays so",
        _RESTORE,
        "tools.paused_processes.release(others.paused, PauseReason.MOVE)",
        "others.paused.clear()",
        (
            (
                f"{_RESUMES}::"
                "test_a_neighbour_with_an_endless_kernel_puts_the_resume_off_and_all_run_on"
            ),
        ),
    ),
    Mutant(
        2,
        "a restore is tried without room",
        _RESTORE,
        "if free_mib >= need_mib:",
        "if free_mib >= 0:",
        (f"{_RESUMES}::test_a_restore_is_never_tried_without_room",),
    ),
    Mutant(
        2,
        "one listing after the freeze is enough",
        _RESTORE,
        "if obstacle or self._listed == before:",
        "if obstacle or self._listed is not before:",
        (f"{_FREEZES}::test_room_is_compared_only_once_two_listings_of_the_frozen_card_agree",),
    ),
    Mutant(
        2,
        "a restore begins although not everybody could be frozen",
        _RESTORE,
        "return stillness.problem or _restore_while_still(",
        "return _restore_while_still(",
        (
            (
                f"{_FREEZES}::"
                "test_who_cannot_be_frozen_in_time_keeps_the_slice_away_and_everybody_runs_on"
            ),
        ),
    ),
    Mutant(
        2,
        "who is born while a restore is under way runs",
        _RESTORE,
        "with _nobody_born_runs(others):",
        "with contextlib.nullcontext():",
        (f"{_RESUMES}::test_a_process_born_while_a_restore_is_under_way_is_paused_at_once",),
    ),
    Mutant(
        2,
        "it is restored beside a process of no slice",
        _RESTORE,
        "if at_large.strangers and not but_stopped:",
        "if False:",
        (f"{_RESUMES}::test_beside_a_foreign_process_nothing_is_restored",),
    ),
    Mutant(
        2,
        "who is born beside a stranger while a restore is under way runs",
        _RESTORE,
        "failure = self._pause(",
        "failure = '' if at_large.strangers else self._pause(",
        (
            (
                f"{_RESUMES}::"
                "test_beside_a_stranger_a_process_born_while_a_restore_is_under_way_is_paused_too"
            ),
        ),
    ),
    Mutant(
        2,
        "room that is taken while a restore is written down is not missed",
        _ONE_PROCESS,
        "obstacle = _answer(why_not_now)",
        'obstacle = ""',
        (
            f"{_RESUMES}::test_room_taken_while_a_restore_is_written_down_is_seen",
            (
                f"{_RESUMES}::test_beside_a_stranger_who_begins_while_a_restore_is_written_down_"
                "nothing_is_restored"
            ),
        ),
    ),
    Mutant(
        2,
        "it is restored beside one that could not be paused",
        _RESTORE,
        "if but_stopped and isinstance(failure.error, StandsStillError):",
        "if isinstance(failure.error, DeviceError):",
        (
            (
                f"{_RESUMES}::"
                "test_a_neighbour_with_an_endless_kernel_puts_the_resume_off_and_all_run_on"
            ),
        ),
    ),
    Mutant(
        2,
        "nobody is found outside of slices' groups",
        _SIGHTINGS,
        "pids = self._table.pids() if accounts else []",
        "pids: list[int] = []",
        (f"{_OUTSIDE}::test_who_runs_outside_stands_still_and_is_where_they_were_afterwards",),
    ),
    Mutant(
        2,
        "it is restored beside outsiders that do not stand still",
        _FREEZING,
        "if not self._outsiders.still(gpu_id, pids, within_s):",
        "if self._outsiders.still(gpu_id, pids, within_s) is None:",
        (
            (
                f"{_OUTSIDE}::"
                "test_where_they_do_not_stand_still_in_time_nothing_comes_back_and_it_is_told"
            ),
        ),
    ),
    Mutant(
        2,
        "it is restored beside one in a call of the driver that does not end",
        _CALLS,
        "any(name in stack for name in into)",
        "any(name is stack for name in into)",
        (
            (
                f"{_IN_CALLS}::"
                "test_who_waits_in_a_call_of_the_driver_is_told_from_who_waits_in_another"
            ),
            (
                f"{_IN_CALLS}::"
                "test_beside_an_outsider_in_a_call_of_the_driver_that_does_not_end_nothing_comes_back"
            ),
        ),
    ),
    Mutant(
        2,
        "who runs is as good as frozen",
        _CALLS,
        "            before is None\n            or before != after\n            or not",
        "            not",
        (f"{_IN_CALLS}::test_who_runs_may_use_the_gpu",),
    ),
    Mutant(
        2,
        "who logs in while a slice comes back runs",
        _FREEZING,
        "lambda: self._outsiders.look_again(gpu_id),",
        "lambda: None,",
        (f"{_OUTSIDE}::test_who_logs_in_meanwhile_is_found",),
    ),
    Mutant(
        2,
        "who ends as soon as they are seen is nobody's",
        _OUTSIDERS,
        "if uid in accounts and self._book.slice_at(parent) is None:",
        "if uid in accounts and self._book.slice_at(parent) is self:",
        (
            (
                f"{_CHAINS}::"
                "test_where_each_starts_another_and_ends_nothing_comes_back_or_they_stand_still"
            ),
        ),
    ),
    Mutant(
        2,
        "accounts of strangers are not remembered",
        _OUTSIDERS,
        "self._strangers[gpu_id] = known | {uid}",
        "self._strangers[gpu_id] = known",
        (
            (
                f"{_OUTSIDE}::"
                "test_an_account_that_used_the_gpu_without_a_slice_is_looked_for_from_then_on"
            ),
        ),
    ),
    Mutant(
        2,
        "accounts whose slices have ended are forgotten",
        _GROUPS,
        "self._accounts |= frozenset(uids) - _NOT_LOOKED_FOR",
        "self._accounts = frozenset(uids) - _NOT_LOOKED_FOR",
        (f"{_OUTSIDE}::test_an_account_whose_slice_has_ended_is_still_looked_for",),
    ),
    Mutant(
        2,
        "who begins to use the GPU while a slice comes back runs on",
        _FREEZING,
        "            self._outsiders.hold(gpu_id, pid)\n",
        "",
        (f"{_OUTSIDE}::test_whoever_begins_to_use_the_gpu_meanwhile_is_held",),
    ),
    Mutant(
        2,
        "who is to be held where the group for it is gone runs on",
        "hub_ext/sublet_agent/cgroups/holding.py",
        "if error.errno not in REMOVED:",
        "if True:",
        (f"{_HOLDINGS}::test_where_the_group_was_removed_nevertheless_it_is_made_again",),
    ),
    Mutant(
        2,
        "the end of one GPU's move thaws whom another's needs still",
        _GROUPS,
        "if f not in needed and not thaw_surely(f.tree, f.place)",
        "if not thaw_surely(f.tree, f.place)",
        (f"{_TWO_GPUS}::test_who_is_held_for_two_gpus_runs_only_when_neither_needs_them_still",),
    ),
    Mutant(
        2,
        "a slice that comes back is frozen for another GPU's",
        _GROUPS,
        " or whom in under_way or self._is_coming_back(group.slice_id):",
        " or whom in under_way:",
        (f"{_TWO_GPUS}::test_a_slice_that_comes_back_itself_is_not_frozen_for_another_gpu",),
    ),
    Mutant(
        3,
        "claims are believed without end",
        _ACTIVITY,
        "        if not self._doubted:\n            evidence = ",
        "        if True:\n            evidence = ",
        (
            (
                f"{_ACTIVITIES}::"
                "test_a_tenant_that_always_claims_to_be_busy_is_lent_from_after_the_budget"
            ),
            f"{_ACTIVITIES}::test_the_wakes_of_a_spamming_tenant_are_few",
        ),
    ),
    Mutant(
        3,
        "claims use no budget up",
        _ACTIVITY,
        "        self._spend(now)\n        before = self._activity\n",
        "        before = self._activity\n",
        (
            (
                f"{_ACTIVITIES}::"
                "test_a_tenant_that_always_claims_to_be_busy_is_lent_from_after_the_budget"
            ),
        ),
    ),
    Mutant(
        3,
        "silence counts: measured use keeps nobody active",
        _ACTIVITY,
        "        self._gpu_used = now\n        self.looked_in_in_vain = 0\n",
        "        self.looked_in_in_vain = 0\n",
        (f"{_ACTIVITIES}::test_measured_use_keeps_it_active_whatever_is_said",),
    ),
    Mutant(
        4,
        "what an agent cannot suspend counts like any other",
        _CAPACITY,
        "return reported or record.never_suspended is not None",
        "return record.never_suspended is not None",
        (_IN_FULL,),
    ),
    Mutant(
        4,
        "holdings are not told what an agent reports",
        _CAPACITY,
        "if record is not None:\n                self.holdings.mark_unsuspendable(",
        "if record is None:\n                self.holdings.mark_unsuspendable(",
        (_IN_FULL,),
    ),
    Mutant(
        4,
        "what a backend never suspends counts like any other",
        _CAPACITY,
        "return reported or record.never_suspended is not None",
        "return reported",
        (
            (
                "tests/hub/slices/test_pods.py::"
                "test_a_slice_of_a_backend_that_cannot_suspend_is_neither_lent_nor_overcommitted"
            ),
        ),
    ),
    Mutant(
        4,
        "what cannot be suspended is overcommitted",
        "quota/sublet_quota/holdings/gpu_load.py",
        "rest = facts.kind.memory_mib - load.unsuspendable_mib",
        "rest = facts.kind.memory_mib",
        (
            (
                "tests/quota/placement/test_slice_placement.py::"
                "test_an_unsuspendable_slice_counts_with_its_full_cap_and_is_not_overcommitted"
            ),
            _IN_FULL,
        ),
    ),
)
