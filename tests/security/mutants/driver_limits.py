"""Mutants of the driver's own limits: whose group gets one, when, and what is said: rule 2."""

from typing import Final

from tests.security.mutant import Mutant

_LIMITS: Final = "hub_ext/sublet_agent/moves/driver_limits.py"
_NVIDIA: Final = "hub_ext/sublet_agent/devices/nvidia_memory_limits.py"
_OF_LIMITS: Final = "tests/agent/moves/test_driver_limits.py"
_OF_NVIDIA: Final = "tests/agent/devices/test_nvidia_memory_limits.py"

MUTANTS: Final = (
    Mutant(
        2,
        "memory leaves under a limit of the driver's",
        "hub_ext/sublet_agent/moves/suspend.py",
        "_why_not(course) or _lift_limit(course) or _pause_all(course)",
        "_why_not(course) or _pause_all(course)",
        (f"{_OF_LIMITS}::test_the_limit_is_lifted_before_anything_of_a_slice_is_paused",),
    ),
    Mutant(
        2,
        "memory comes back under a limit that an agent before has set",
        "hub_ext/sublet_agent/moves/resume.py",
        "outcome.detail = tools.limits.lift_for_move(plan.slice_id, plan.gpu_id)",
        'outcome.detail = ""',
        ((f"{_OF_LIMITS}::test_an_agent_that_begins_lifts_a_limit_before_it_brings_a_slice_back"),),
    ),
    Mutant(
        2,
        "who is back runs on before the limit is set again",
        "hub_ext/sublet_agent/moves/resume.py",
        "        tools.limits.set_again(plan.slice_id, plan.gpu_id, plan.bytes_mib)\n",
        "",
        ((f"{_OF_LIMITS}::test_the_limit_is_set_again_before_a_slice_that_is_back_runs_on"),),
    ),
    Mutant(
        2,
        "a limit is set while memory moves",
        _LIMITS,
        "if not kept.moving:",
        "if True:",
        (f"{_OF_LIMITS}::test_no_limit_is_set_while_memory_moves",),
    ),
    Mutant(
        2,
        "the kubelet's groups get limits, too",
        _LIMITS,
        "if group is None or not group.is_own:\n            return DriverLimit.NO_GROUP",
        "if group is None:\n            return DriverLimit.NO_GROUP",
        (f"{_OF_LIMITS}::test_a_pods_group_is_never_touched",),
    ),
    Mutant(
        2,
        "a group that tenants may leave counts as limited",
        _LIMITS,
        "if not group.tree.is_ours_alone(group.place):",
        "if False:",
        (f"{_OF_LIMITS}::test_a_group_that_others_may_leave_has_no_limit",),
    ),
    Mutant(
        2,
        "an admin's limit of a group above is done away with",
        _LIMITS,
        "if kept.on[gpu_id] is None and found is not None:",
        "if False:",
        (f"{_OF_LIMITS}::test_a_limit_of_a_group_above_is_left_alone",),
    ),
    Mutant(
        2,
        "a limit that does not hold is said to be kept",
        _LIMITS,
        "if found is None or found.limit_mib != limit_mib:\n            message",
        "if False:\n            message",
        (f"{_OF_LIMITS}::test_a_limit_that_does_not_hold_is_told",),
    ),
    Mutant(
        2,
        "an agent that may not set limits moves nobody, whoever wants some",
        _LIMITS,
        "            if is_asked:\n                return",
        "            if True:\n                return",
        (
            (
                f"{_OF_LIMITS}::"
                "test_an_agent_that_may_not_set_limits_moves_slices_that_are_to_have_none"
            ),
        ),
    ),
    Mutant(
        2,
        "the topmost control group is changed",
        "hub_ext/sublet_agent/cgroups/trees.py",
        "if self.version == 1 or above == self.folder:",
        "if self.version == 1:",
        (f"{_OF_LIMITS}::test_the_topmost_group_is_left_as_it_is",),
    ),
    Mutant(
        2,
        "programs get limits at which a server of MPS ends them",
        _NVIDIA,
        "return None if self._mps() is None else DriverLimit.MPS",
        "return None",
        (
            (
                f"{_OF_NVIDIA}::test_where_mps_runs_none_is_set_as_its_server_ends_who_has_more_"
                "than_is_guaranteed"
            ),
        ),
    ),
    Mutant(
        2,
        "a limit is guaranteed, too, in all groups above",
        _NVIDIA,
        "(str(group).encode(), 0, hard_bytes)",
        "(str(group).encode(), hard_bytes, hard_bytes)",
        (f"{_OF_NVIDIA}::test_the_hard_limit_is_set_in_bytes_and_nothing_is_guaranteed",),
    ),
    Mutant(
        2,
        "the driver is said to keep the cap though the agent is silent",
        "hub_ext/sublet_hub/web/views/slices.py",
        "_cap_kept(record, None if silent else report)",
        "_cap_kept(record, report)",
        (
            (
                "tests/hub/web/test_shares.py::"
                "test_that_the_driver_keeps_the_cap_is_told_by_the_agent_and_by_nobody_else"
            ),
        ),
    ),
)
