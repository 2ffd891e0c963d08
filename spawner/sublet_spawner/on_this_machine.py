"""The part that all spawners on the hub's machine share: servers are processes of an account."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psutil
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.cap_keepers import BY_DRIVER_IF_ABLE
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import AccountTemplate, Lease, SliceStarted
from sublet_quota.wire.environment import without_fractions
from traitlets import Bool, Float, Integer, default

from sublet_spawner.account import (
    Account,
    account_template,
    allowed_environment,
    usual_least_uid,
)
from sublet_spawner.backends.records import KeptBy
from sublet_spawner.left_processes import end_processes_of
from sublet_spawner.slice_spawner import SliceSpawnerMixin

_ENDS: Final = ThreadPoolExecutor(8, "ends-what-is-left")
"""The threads that wait for what servers left: for each of its own, and the hub's work for none."""


class OnThisMachine(SliceSpawnerMixin):
    """A mixin for servers on the hub's machine: whose they are, and what outlives them."""

    end_left_processes = Bool(
        True,
        help="""Whether processes that a user left running (nohup, a daemon) end with their server,
        when they carry its slice in their environment. They could use the GPU no longer in the
        slice's name, and would stand in the way of others' slices.""",
    ).tag(config=True)

    driver_memory_limit = Bool(
        False,
        help="""Whether memory caps of servers and training jobs are to be kept by NVIDIA's driver,
        over all programs of a slice together: driver 615, control groups of version 2, and an agent
        that is root. PyTorch and JAX are then told no share of the card, as they would take the cap
        for the whole card. Where the driver cannot, the agent's watch alone is left, and owners and
        admins are told so with the reason. A job has it as its owner's last server did.""",
    ).tag(config=True)

    left_processes_grace_s = Float(
        2.0,
        min=0.0,
        max=60.0,
        help="Seconds such processes have to end after SIGTERM, before SIGKILL (0 to 60).",
    ).tag(config=True)

    least_uid = Integer(
        min=0,
        help="""The least uid that a server's account may have: those below it are the system's, and
        a user who is called like one of them gets no server. Default: UID_MIN of /etc/login.defs,
        by which alone training jobs go; 1000 where it has none. Where all servers run as the hub's
        own account it says nothing.""",
    ).tag(config=True)

    @default("least_uid")
    def _default_least_uid(self) -> int:
        return usual_least_uid()

    async def take_slice(self) -> None:
        """Get the slice of the user's choice, or none, for an account that servers may run as."""
        account = self.find_account()
        if isinstance(account, Refusal):
            raise self.refusal(account)
        await super().take_slice()

    def find_account(self) -> Account | Refusal:
        """Return the account that this user's processes run as, or the refusal."""
        raise NotImplementedError

    def kept_by(self) -> KeptBy:
        """Return what keeps caps here; the agent says whether the driver does."""
        if not self.driver_memory_limit:
            return super().kept_by()
        return KeptBy(BY_DRIVER_IF_ABLE)

    def slice_variables(self, lease: Lease, existing: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a server with this slice."""
        variables = super().slice_variables(lease, existing)
        return without_fractions(variables) if self.driver_memory_limit else variables

    def job_environment(self, account: Account) -> dict[str, str]:
        """Return the server's environment without its slice, of which jobs get what is allowed."""
        del account
        environment: dict[str, str] = super().get_env()
        return environment

    def job_folder(self) -> str:
        """Return the folder that the server begins in, as set; empty: the account's home."""
        return str(self.format_string(self.notebook_dir))

    async def account_template(self) -> AccountTemplate | Refusal:
        """Return how this user's processes run, for their jobs, or the refusal."""
        account = self.find_account()
        if isinstance(account, Refusal):
            return account
        environment = allowed_environment(self.job_environment(account), self.job_environment_names)
        template = account_template(account, self.job_folder(), self.job_python, environment)
        return template.model_copy(update={"driver_memory_limit": self.driver_memory_limit})

    async def end_what_is_left(self, slice_id: SliceId) -> None:
        """End what outlived the server: else it would use the GPU with no slice to its name."""
        if not self.end_left_processes:
            return
        account = self.find_account()
        if isinstance(account, Refusal):
            return
        ended = await asyncio.get_running_loop().run_in_executor(
            _ENDS, end_processes_of, slice_id, account.uid, self.left_processes_grace_s
        )
        if ended:
            self.log.warning("Ended %d processes that outlived slice %s", ended, slice_id)


def started_process(pid: int) -> SliceStarted | None:
    """Return a server's process as the service is told of it; ``None``: it has ended already."""
    try:
        # Since the boot: the clock, by which psutil tells it, can be set at any time.
        booted = psutil.boot_time()
        start_time = psutil.Process(pid).create_time() - booted
    except (psutil.Error, ValueError):
        return None
    return SliceStarted(root_pid=pid, root_start_time=start_time)
