"""The common part of every Sublet spawner: get a slice, tell of it, give it back.

Order in ``start``: read the choice, give back what earlier starts left behind, get a slice, write
its id into the hub's database, start the server, tell the service its first process or pod. From
the moment a slice is had, ``poll`` and ``stop`` give it back once the server is seen to be gone.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from typing import Any, Final

from jupyterhub.spawner import Spawner  # type: ignore[import-untyped]
from jupyterhub.utils import maybe_future  # type: ignore[import-untyped]
from pydantic import ValidationError
from sqlalchemy.orm import object_session
from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from sublet_quota.wire.api import AccountTemplate, Lease, SliceRequest
from sublet_quota.wire.environment import no_gpu_environment
from sublet_quota.wire.server_queue import QueueWait

from sublet_spawner.choice import SliceChoice
from sublet_spawner.errors import SubletSpawnerError
from sublet_spawner.failure_count import leave_uncounted
from sublet_spawner.messages import how_it_waits
from sublet_spawner.place_in_line import PlaceInLine
from sublet_spawner.progress import Event, StartLog, merged
from sublet_spawner.refused import refused, unavailable
from sublet_spawner.releases import Releases
from sublet_spawner.started import Started, started_of, state_of
from sublet_spawner.user_choice import UserChoice

STATE_KEY: Final = "sublet"
"""The key under which ``get_state`` keeps what must survive a restart of the hub."""

_START_ENDS_WITHIN_S: Final = 10.0
_starts: ContextVar[object] = ContextVar("starts", default=None)
"""The spawner whose start runs here."""


class SliceSpawnerMixin(UserChoice, Spawner):  # type: ignore[misc]
    """A mixin before a JupyterHub spawner class, that gives each server a slice of a GPU."""

    def __init__(self, **kwargs: Any) -> None:
        self._accepted_options: dict[str, Any] = dict(kwargs.get("user_options") or {})
        self._lease: Lease | None = None
        self._slice_id: SliceId | None = None
        self._started: Started | None = None
        self._started_is_told = True
        self._slice_variables: dict[str, str] = {}
        self._line = PlaceInLine(self, self._client)
        self._in_start = False
        self._starting: asyncio.Task[Any] | None = None
        self._asking: asyncio.Task[Lease | Refusal | QueueWait] | None = None
        self._start_is_given_up = False
        self._start_log: StartLog | None = None
        self._releases = Releases(self._client, self.end_what_is_left, self._log_line)
        super().__init__(**kwargs)

    def progress_sources(self, log: StartLog) -> list[AsyncGenerator[Event, None]]:
        """Return what a start is told of by: what the spawner beneath tells, and the slice."""
        return [log.follow(), super().progress(), self._tell_of_waiting()]

    # JupyterHub's life of a server.

    async def start(self) -> Any:
        """Get a slice, then start the server with it; return where the server is.

        A ``stop`` that comes before that is done ends the start.
        """
        self._start_is_given_up = False
        # Who looks on from the first moment sees this start, and all that it says.
        self._start_log = StartLog()
        self._starting = asyncio.create_task(self._start_with_slice())
        try:
            return await self._starting
        except asyncio.CancelledError:
            if self._start_is_given_up:
                message = f"the start of {self._log_name} was given up: it was stopped meanwhile"
                raise SubletSpawnerError(message) from None
            raise

    async def _start_with_slice(self) -> Any:
        _starts.set(self)
        self._lease, self._started, self._slice_variables = None, None, {}
        self._in_start = True
        try:
            if self.slice_is_taken_in_start:
                await self.take_slice()
            address = await super().start()
        finally:
            self._in_start = False
        self._started = self.first_process()
        self._started_is_told = self._slice_id is None or self._started is None
        self._accepted_options = dict(self.user_options)
        await self._tell_started()
        return address

    async def take_slice(self) -> None:
        """Get the slice of the user's choice, or go without where that is the choice."""
        choice = await self.choice()
        await self._releases.run()
        if choice.without_gpu:
            await self._line.leave()
            self._go_without("You chose a server without a GPU")
        else:
            await self._get_slice(choice)

    async def poll(self) -> int | None:
        """Return ``None`` while the server runs; else its exit status: its slice is given back."""
        if self._in_start:
            return None
        status: int | None = await super().poll()
        if status is None:
            await self._tell_started()
        else:
            self._give_up_slice()
            await self._releases.run()
        return status

    async def stop(self, now: bool = False) -> None:  # noqa: FBT001, FBT002 - JupyterHub's signature
        """Stop the server and give its slice back; a start that has not come to its end, ends.

        No process may be there yet to be stopped, and one that came later would stay.
        """
        try:
            await self._end_start()
            await super().stop(now)
        finally:
            self._give_up_slice()
            await self._releases.run()

    async def _end_start(self) -> None:
        starting = self._starting
        # A spawner beneath may stop what it has started so far, and tell then what went wrong.
        if starting is not None and not starting.done() and _starts.get() is not self:
            self._start_is_given_up = True
            starting.cancel()
            await asyncio.wait({starting}, timeout=_START_ENDS_WITHIN_S)

    def get_env(self) -> dict[str, str]:
        """Return the server's environment, with the slice's variables."""
        environment: dict[str, str] = super().get_env()
        if self._lease is not None:
            environment |= self.slice_variables(self._lease, environment)
        else:
            environment |= self._slice_variables
        return environment

    async def progress(self) -> AsyncGenerator[Event, None]:
        """Yield events of the slice, of what it waits for, and of the spawner beneath.

        Every event has a number of how far the start has come; it never goes back.
        """
        reached = 0
        log = self._start_log
        sources = [super().progress()] if log is None else self.progress_sources(log)
        async for event in merged(*sources):
            reached = max(reached, event.get("progress", reached))
            yield {**event, "progress": reached}

    # What survives a restart of the hub.

    def get_state(self) -> dict[str, Any]:
        """Return the state, with the slice's id, and the ids of slices still to be given back."""
        state: dict[str, Any] = super().get_state()
        own: dict[str, Any] = {}
        if self._slice_id is not None:
            own["slice_id"] = self._slice_id
        if self._started is not None:
            own |= state_of(self._started)
        if self._releases.waiting:
            own["to_release"] = sorted(self._releases.waiting)
        own |= self._line.state
        if own:
            state[STATE_KEY] = own
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the slice again; its first process is told again, in case it was lost."""
        super().load_state(state)
        own = state.get(STATE_KEY) or {}
        for slice_id in own.get("to_release", ()):
            self._releases.add(SliceId(slice_id))
        if "slice_id" in own:
            self._slice_id = SliceId(own["slice_id"])
        self._line.load(own)
        self._started = started_of(own)
        self._started_is_told = self._started is None

    def clear_state(self) -> None:
        """Forget the server; its slice is put with those to give back."""
        super().clear_state()
        self._give_up_slice()

    async def delete_forever(self) -> None:
        """Forget a server, or user, that is removed: at its turn it would be made anew."""
        await self._line.leave()
        await maybe_future(super().delete_forever())

    async def rename(self, old_name: str, new_name: str) -> None:
        """Leave the line, as at its turn the server would be made anew by its old name."""
        await self._line.leave()
        # JupyterHub 5 renames none.
        if hasattr(Spawner, "rename"):
            await super().rename(old_name, new_name)

    # The slice.

    async def _get_slice(self, choice: SliceChoice) -> None:
        request = await self._request(choice)
        self.tell(f"Asking for a GPU slice: {choice}", 5)
        await self._line.asks()
        try:
            answer = await self._ask(request)
        except SubletSpawnerError as error:
            self.log.error("No slice for %s: %s", self._log_name, error)  # noqa: TRY400 - the trace says nothing more
            if self.service_required:
                self._line.unanswered()
                leave_uncounted(self)
                raise unavailable(self._what_to_do()) from error
            self._line.given_up()
            self._go_without("The Sublet service could not be asked for a GPU slice")
            return
        if isinstance(answer, QueueWait):
            raise self._waits_in_line(answer)
        self._line.is_over()
        if isinstance(answer, Refusal):
            raise self.refusal(answer)
        self._lease, self._slice_id = answer, SliceId(answer.slice_id)
        self._write_state()
        unusable = self.look_at_lease(answer)
        if unusable is not None:
            self._give_up_slice()
            await self._releases.run()
            raise self.refusal(unusable)
        granted = self.granted_words(answer)
        self.log.info("Slice %s for %s: %s", answer.slice_id, self._log_name, granted[0])
        for sentence in granted:
            self.tell(sentence, 20)

    async def _request(self, choice: SliceChoice) -> SliceRequest:
        """Return the request. Where nothing was chosen, the service picks the default size."""
        try:
            account = await self.account_template()
            if isinstance(account, Refusal):
                raise self.refusal(account)
            return _tellable(self._asked(choice, account))
        except ValidationError as error:
            # A start that fails otherwise counts, and a hub ends itself after a few in a row.
            details = error.errors(include_url=False, include_input=False)
            told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in details)
            raise self.refusal(refuse(ServerRefusal.NOT_TAKEN, told=told)) from error

    def _asked(self, choice: SliceChoice, account: AccountTemplate) -> SliceRequest:
        kept_by = self.kept_by()
        return SliceRequest(
            owner=self.user.name,
            groups=self._groups(),
            server=self.name,
            size=choice.size,
            pool=choice.pool,
            gpu_type=choice.gpu_type,
            memory_mib=choice.memory_mib,
            compute_milli=choice.compute_milli,
            group=choice.group,
            account=account,
            never_suspended=self.never_suspended(),
            cap_kept_by=kept_by.cap,
            compute_kept_by=kept_by.compute,
            takes=self.takes_of_node(),
            start_options=dict(self.user_options),
        )

    async def _ask(self, request: SliceRequest) -> Lease | Refusal | QueueWait:
        """Return the answer; when the start is given up meanwhile, give back what is handed out."""
        asking = asyncio.create_task(self._client().request_slice(request))
        self._asking = asking
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._give_back_what_came_late)
            raise

    def _give_back_what_came_late(
        self, asking: "asyncio.Task[Lease | Refusal | QueueWait]"
    ) -> None:
        if asking.cancelled():
            return
        answer = None if asking.exception() is not None else asking.result()
        # The place is a later start's where one has asked meanwhile.
        if self._asking is asking and (answer is None or isinstance(answer, QueueWait)):
            self._line.given_up()
        if isinstance(answer, Lease):
            self._releases.add(SliceId(answer.slice_id))
            self._releases.run_soon()

    async def _tell_started(self) -> None:
        """Tell the first process or pod. What cannot be told now is told at a later poll."""
        if self._started_is_told or self._slice_id is None or self._started is None:
            return
        try:
            known = await self._client().report_started(self._slice_id, self._started)
        except SubletSpawnerError as error:
            self.log.warning("%s. Slice %s: told later", error, self._slice_id)
            return
        self._started_is_told = True
        if not known:
            self.log.error(
                "The service does not know slice %s of %s: its server has no GPU guaranteed until "
                "it is stopped and started again",
                self._slice_id,
                self._log_name,
            )

    def _give_up_slice(self) -> None:
        if self._slice_id is not None:
            self._releases.add(self._slice_id)
        self._slice_id, self._started, self._lease = None, None, None
        self._started_is_told = True

    def _go_without(self, reason: str) -> None:
        self._slice_variables = no_gpu_environment(self.service_url, reason)
        self.log.warning("%s starts without a GPU: %s", self._log_name, reason)
        self.tell(f"{reason}: starting without a GPU", 20)

    async def _tell_of_waiting(self) -> AsyncGenerator[Event, None]:
        """Yield what the new slice is, and waits for, until its agent has taken it over."""
        rank = None
        while self._slice_id is not None or self._in_start:
            if self._slice_id is not None:
                try:
                    info = await self._client().slice_info(self._slice_id)
                except SubletSpawnerError:
                    info = None
                if info is not None and info.rank is not None and info.rank != rank:
                    rank = info.rank
                    yield {"message": rank.meaning}
                if info is not None and info.report is not None:
                    yield {"message": how_it_waits(info)}
                    if info.report.wait is None:
                        return
            await asyncio.sleep(self.wait_report_interval_s)

    # Small things.

    def _write_state(self) -> None:
        """Write the slice's id at once: a hub that is killed during a start must find it again."""
        if self.orm_spawner is None:
            return
        self.orm_spawner.state = self.get_state()
        session = object_session(self.orm_spawner)
        if session is not None:
            session.commit()

    def tell(self, message: str, progress: int | None = None) -> None:
        """Tell whoever looks at the progress page."""
        if self._start_log is not None:
            self._start_log.tell(message, progress)

    def refusal(self, refusal: Refusal) -> Exception:
        """Return the exception; undo that the hub stored the refused choice as the next default."""
        self.log.warning("Refused for %s: %s", self._log_name, refusal.message)
        self.user_options = dict(self._accepted_options)
        if self.orm_spawner is not None:
            self.orm_spawner.user_options = dict(self._accepted_options)
        leave_uncounted(self)
        return refused(refusal)

    def _waits_in_line(self, wait: QueueWait) -> Exception:
        """Return the exception; the hub keeps the choice, with which the server is started."""
        self.log.info("In line: %s, at place %d", self._log_name, wait.place)
        leave_uncounted(self)
        error = self._line.joined(wait)
        self._write_state()
        return error

    def _log_line(self, message: str) -> None:
        self.log.warning("%s: %s", self._log_name, message)


def _tellable(request: SliceRequest) -> SliceRequest:
    """Return a request that can be sent: options that cannot be are those that the hub keeps."""
    try:
        request.model_dump_json()
    except (ValueError, RecursionError):
        return request.model_copy(update={"start_options": None})
    return request
