"""Mutants of what a tenant's work leaves for others to read: rule 5."""

from typing import Final

from tests.security.mutant import Mutant

_TRIAL: Final = "hub_ext/sublet_agent/fitness/trial.py"
_TRIALS: Final = "tests/agent/fitness/test_trial.py"
_FOUND: Final = f"{_TRIALS}::test_a_card_whose_memory_others_can_read_afterwards_is_told"
_DUMPS: Final = "hub_ext/sublet_agent/processes/core_dumps.py"
_DUMP_TESTS: Final = "tests/agent/processes/test_core_dumps.py"
_CHILDREN: Final = f"{_DUMP_TESTS}::test_neither_do_the_processes_that_such_a_one_starts"
_PROGRAMS: Final = f"{_DUMP_TESTS}::test_agent_and_simulated_gpus_leave_no_core_dump"
_SYSTEMD: Final = "spawner/sublet_spawner/systemd.py"
_SERVER: Final = (
    "tests/spawner/test_systemd_spawner.py::test_a_unit_counts_as_started_when_its_program_runs"
)
_SHARED: Final = "tests/hub/host/test_own_shared_memory.py"
_UNITS: Final = "hub_ext/sublet_hub/installation/units.py"
_UNIT_TESTS: Final = "tests/hub/installation/test_units.py"

MUTANTS: Final = (
    Mutant(
        5,
        "nobody looks for what is left in a card's memory",
        _TRIAL,
        "        _look_for_leftovers(trial, mark)\n    except",
        "    except",
        (_FOUND,),
    ),
    Mutant(
        5,
        "who cannot look has found nothing",
        _TRIAL,
        "if answer == CLEAN:",
        "if answer:",
        (f"{_TRIALS}::test_so_does_one_who_may_not_be_another_account",),
    ),
    Mutant(
        5,
        "what is found is nothing",
        _TRIAL,
        "raise _TrialFailedError(Unfit.MEMORY_LEFT)",
        "return",
        (_FOUND,),
    ),
    Mutant(
        5,
        "a card with leftovers is tried again until it passes",
        "hub_ext/sublet_agent/fitness/card_checks.py",
        "Unfit.CANARY_CHANGED, Unfit.MEMORY_LEFT})",
        "Unfit.CANARY_CHANGED})",
        (
            (
                "tests/agent/fitness/test_card_checks.py::"
                "test_a_card_that_leaves_memory_to_others_is_not_tried_again_until_the_boot"
            ),
        ),
    ),
    Mutant(
        5,
        "a card with leftovers is lent",
        "hub_ext/sublet_agent/residency/snapshots.py",
        "unfit=bool(gpu.unfit),",
        "unfit=False,",
        (
            (
                "tests/agent/residency/test_snapshots.py::"
                "test_a_card_that_leaves_memory_to_others_is_not_lent"
            ),
        ),
    ),
    Mutant(
        5,
        "memory may be dumped into a file",
        _DUMPS,
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        "pass",
        (_CHILDREN,),
    ),
    Mutant(
        5,
        "memory may be dumped into a program",
        _DUMPS,
        '_FILTER.write_text("0")',
        "pass",
        (_CHILDREN,),
    ),
    Mutant(
        5,
        "the agent's memory may be dumped",
        "hub_ext/sublet_agent/app/serving.py",
        "    leave_no_core_dump()\n    ServingAgent.launch_instance()",
        "    ServingAgent.launch_instance()",
        (_PROGRAMS,),
    ),
    Mutant(
        5,
        "the simulated GPUs' memory may be dumped",
        "hub_ext/sublet_agent/simulated/daemon.py",
        "    leave_no_core_dump()\n",
        "",
        (_PROGRAMS,),
    ),
    Mutant(
        5,
        "a notebook server's memory may be dumped",
        _SYSTEMD,
        '    "LimitCORE": "0",\n',
        "",
        (_SERVER,),
    ),
    Mutant(
        5,
        "notebook servers share /dev/shm",
        _SYSTEMD,
        '    "TemporaryFileSystem": "/dev/shm:mode=1777",  # noqa: S108 - one of the unit\'s own\n',
        "",
        (_SERVER,),
    ),
    Mutant(
        5,
        "servers that are no units share /dev/shm",
        "spawner/sublet_spawner/local.py",
        "return with_own_shared_memory(become_user)",
        "return become_user if with_own_shared_memory else become_user",
        (
            (
                "tests/spawner/test_own_shared_memory.py::"
                "test_a_server_that_is_no_unit_has_shared_memory_of_its_own_and_is_its_users"
            ),
        ),
    ),
    Mutant(
        5,
        "jobs of a service that runs as root share /dev/shm",
        "hub_ext/sublet_hub/jobs/backends/local/processes.py",
        'apart = "user" in account',
        "apart = False",
        (
            (
                f"{_SHARED}::test_a_job_of_another_account_has_shared_memory_of_its_own"
                "_and_one_of_ours_has_not"
            ),
        ),
    ),
    Mutant(
        5,
        "a job's own /dev/shm takes all memory",
        "hub_ext/sublet_hub/host/own_shared_memory.py",
        "size=10%,",
        "size=90%,",
        (f"{_SHARED}::test_its_size_is_bounded_and_everybody_in_it_may_write",),
    ),
    Mutant(
        5,
        "a job's own /dev/shm is the machine's",
        "hub_ext/sublet_hub/host/own_shared_memory.py",
        "thread.submit(_make).result()",
        "thread.submit(len, b'').result()",
        (
            f"{_SHARED}::test_what_is_started_apart_sees_nothing_that_others_share_and_leaves_nothing",
        ),
    ),
    Mutant(
        5,
        "jobs of an installed service share the machine's /dev/shm",
        _UNITS,
        "TemporaryFileSystem=/dev/shm:mode=1777\n",
        "",
        (f"{_UNIT_TESTS}::test_jobs_do_not_share_memory_with_the_machine_or_with_servers",),
    ),
    Mutant(
        5,
        "jobs' memory may be dumped",
        _UNITS,
        "LimitCORE=0\nMemorySwapMax=0\n",
        "MemorySwapMax=0\n",
        (f"{_UNIT_TESTS}::test_no_unit_leaves_core_dumps",),
    ),
    Mutant(
        5,
        "what is suspended of a job is written to disk",
        _UNITS,
        "LimitCORE=0\nMemorySwapMax=0\n",
        "LimitCORE=0\n",
        (f"{_UNIT_TESTS}::test_what_is_suspended_of_a_job_is_not_written_to_disk",),
    ),
    Mutant(
        5,
        "what is suspended of a slice is written to disk",
        "hub_ext/sublet_agent/cgroups/trees.py",
        'limit.write_text("0")',
        "limit.touch()",
        (
            (
                "tests/agent/fitness/test_swap.py::"
                "test_a_slices_own_group_is_kept_out_of_swap_where_that_can_be"
            ),
        ),
    ),
    Mutant(
        5,
        "slices' groups are made, and may be written to disk",
        "hub_ext/sublet_agent/cgroups/maintenance.py",
        "            tree.keep_out_of_swap(place)\n",
        "            pass\n",
        (
            (
                "tests/agent/cgroups/test_control_groups.py::"
                "test_a_slices_memory_is_kept_out_of_swap_as_its_group_is_made"
            ),
        ),
    ),
)
