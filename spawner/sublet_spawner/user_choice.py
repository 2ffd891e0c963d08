"""What a user chooses: the form on the spawn page, what it sends, and choices by the REST API.

A server that is in line has its place shown instead, and the sizes on a page of their own; a field
of the form leaves the line, and no address does.
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from traitlets import default

from sublet_spawner.choice import SliceChoice, read_form, read_user_options
from sublet_spawner.errors import SubletSpawnerError
from sublet_spawner.line_notice import render_place, render_way_back
from sublet_spawner.offered import offered
from sublet_spawner.options_form import FormSettings, render_form, render_without_service
from sublet_spawner.place_in_line import LEAVE_FIELD, STAY_FIELD, PlaceInLine, looks_at_page
from sublet_spawner.refused import refused, unavailable
from sublet_spawner.server_place import ServerPlace


class UserChoice(ServerPlace):
    """The part of a spawner that offers sizes and reads choices, before JupyterHub's own class."""

    name: Any
    user: Any
    user_options: Any
    log: Any
    _log_name: str
    _line: PlaceInLine
    form_sent_to: str = ""
    """Of the default server: to which of its owner's the form was sent last; empty: to itself."""

    def refusal(self, refusal: Refusal) -> Exception:
        """Return the exception that says ``refusal``."""
        raise NotImplementedError

    async def get_options_form(self) -> str:
        """Return the form of the sizes to be had, with the admin's own ``options_form`` if any.

        JupyterHub asks the default server for it where the form of a server with a name is
        refused: what is shown then is that server's.
        """
        refused_to = self._takes_refused()
        if refused_to is not None:
            return await refused_to.get_options_form()
        sent = self._line.sizes_were_sent()
        settings = FormSettings(
            is_sent_again=sent,
            allow_no_gpu=self.allow_no_gpu,
            chosen=self._chosen_before("size"),
            chosen_group=self._chosen_before("group"),
            warnings=self.form_warnings(),
            notes=await self.form_notes(),
        )
        try:
            wait = await self._line.shown()
            if wait is not None and not (sent or self._line.asks_for_other):
                self._line.look_again()
                return render_place(wait, self._line.other_page)
            offers, by_group = await offered(
                self._client(),
                self.user.name,
                self._groups(),
                never_suspended=self.never_suspended() is not None,
            )
            settings = replace(settings, in_line=wait is not None)
            form = render_form(offers, settings, by_group)
            form = form if wait is None else f"{render_way_back(wait, self._line.page)}\n{form}"
        except SubletSpawnerError as error:
            self.log.error("No options form for %s: %s", self._log_name, error)  # noqa: TRY400 - the trace says nothing more
            if self.service_required and not self.allow_no_gpu:
                raise unavailable(self._what_to_do()) from error
            form = render_without_service(self._what_to_do(), settings)
        beneath: Any = super()
        own = await beneath.get_options_form()
        return f"{form}\n{own}" if own else form

    def _takes_refused(self) -> "UserChoice | None":
        """Return the server with a name whose form was sent last, and is to be shown again; once.

        Whoever looks at the page of this server itself comes with a handler that is not finished.
        """
        name, self.form_sent_to = self.form_sent_to, ""
        if not name or looks_at_page(self) or name not in self.user.spawners:
            return None
        found = self.user.spawners[name]
        return found if isinstance(found, UserChoice) else None

    @default("options_from_form")
    def _read_own_form(self) -> Any:
        return self._read_form

    def _read_form(
        self, form_data: dict[str, list[str]]
    ) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        default_one = getattr(self.user, "spawner", None)
        if isinstance(default_one, UserChoice):
            default_one.form_sent_to = self.name
        if LEAVE_FIELD in form_data:
            return self._line.leave_by_form()
        if STAY_FIELD in form_data:
            self._line.stay_by_form()
        return self._options_of_form(form_data)

    def options_from_query(self, query_data: dict[str, list[str]]) -> Any:
        """Read a choice in an address. Nobody leaves the line by a link: that is the form's."""
        beneath: Any = super()
        return beneath.options_from_query(
            {name: values for name, values in query_data.items() if name != LEAVE_FIELD}
        )

    def _options_of_form(self, form_data: dict[str, list[str]]) -> dict[str, Any]:
        options = read_form(form_data, frozenset(self.other_user_options))
        if isinstance(options, Refusal):
            raise refused(options)
        self._line.note_sizes_sent()
        return options

    @default("apply_user_options")
    def _check_own_options(self) -> Any:
        return _refuse_malformed_options

    async def choice(self) -> SliceChoice:
        """Return the choice, also where it came from the REST API; raise where it is no choice."""
        choice = read_user_options(self.user_options, await self.other_option_keys())
        if isinstance(choice, SliceChoice) and choice.without_gpu and not self.allow_no_gpu:
            choice = refuse(ServerRefusal.NOT_WITHOUT_GPU)
        if isinstance(choice, Refusal):
            raise self.refusal(choice)
        return choice

    def _groups(self) -> tuple[str, ...]:
        # Some authenticators' users have none, and neither do those of KubeSpawner's own tests.
        groups = getattr(self.user, "groups", None) or ()
        return tuple(sorted(group.name for group in groups))

    def _chosen_before(self, key: str) -> str | None:
        chosen = self.user_options.get(key) if isinstance(self.user_options, dict) else None
        return chosen if isinstance(chosen, str) else None

    @staticmethod
    def _what_to_do() -> str:
        return (
            "The GPU service of this hub cannot be reached, so no GPU slice can be given out. "
            "Try again in a minute; if it lasts, tell an admin to look at the sublet-hub service "
            "and the hub's log."
        )


async def _refuse_malformed_options(spawner: UserChoice, user_options: Any) -> None:
    """Refuse what is no choice before a start, as JupyterHub's hook. ``start`` checks again."""
    choice = read_user_options(user_options, await spawner.other_option_keys())
    if isinstance(choice, Refusal):
        raise spawner.refusal(choice)
