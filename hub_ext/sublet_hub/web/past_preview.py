"""What past days would have been under another quota document, told as server-sent events.

The page that asks is told how far it is; it is given up as soon as the page is gone. A document
that could not be in force is refused before anything begins.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from sublet_quota.reasons.refusal import quoted
from sublet_quota.wire.past_preview import (
    PastPlace,
    PastPreviewInfo,
    PastPreviewRequest,
    PastProblem,
    PastProgress,
)
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError

from sublet_hub.errors import BadRequestError
from sublet_hub.security.authentication import Caller, ServiceAuth
from sublet_hub.security.rate_limits import BYTES_FOR_ONE
from sublet_hub.state.quota_documents.in_database import read_applied
from sublet_hub.usage.past_preview.previews import Event, PastPreviews, PastSources
from sublet_hub.web.event_stream import EventStreamHandler
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.quota_revisions import MOST_BODY
from sublet_hub.web.routes.roles import READERS
from sublet_hub.web.routes.route import Access, Call, Route

_LOG = logging.getLogger(__name__)
_NAMES: Final[dict[type[Event], str]] = {
    PastPlace: "place",
    PastProgress: "progress",
    PastProblem: "problem",
    PastPreviewInfo: "report",
}


async def _is_streamed(service: ServiceParts, call: Call) -> None:
    del service, call


PAST_PREVIEW_ROUTE: Final = Route(
    "POST",
    "quota/preview/history",
    Access.ADMIN,
    "What past days would have been under a document, beside the one in force, as server-sent "
    "events: `place` in line, `progress`, and at the end `report` or `problem`. Closing ends it",
    _is_streamed,
    PastPlace | PastProgress | PastProblem | PastPreviewInfo,
    body=PastPreviewRequest,
    most_body_bytes=MOST_BODY,
    refusals=(400,),
    asks_hub_anew=True,
    also=READERS,
)


def past_previews(service: ServiceParts) -> PastPreviews:
    """Return the previews of a service."""
    return PastPreviews(
        PastSources(
            service.history_exports, service.recorder, lambda: service.quota.text, service.now
        )
    )


class PastPreviewHandler(EventStreamHandler):
    """The preview that one page asks for."""

    def initialize(  # type: ignore[override] # one route of its own
        self, service: ServiceParts, hub_auth: ServiceAuth, previews: PastPreviews
    ) -> None:
        """Take what all previews share."""
        self.take_stream(service, hub_auth, PAST_PREVIEW_ROUTE)
        self.previews = previews

    async def answer(self, **_path: str) -> None:
        """Check the document, and tell of past days until that is done, or the page is gone."""
        caller = self.asking()
        asked = Call(caller, {}, {}, self._read_body(PAST_PREVIEW_ROUTE)).body_as(
            PastPreviewRequest
        )
        if not self.service.recorder.records:
            message = "nothing is recorded here: the service's option history_days is 0"
            raise BadRequestError(message)
        limits = self.service.limits
        async with limits.lists.of_caller(caller.key):
            limits.owners.charge(caller.key, len(asked.text) // BYTES_FOR_ONE)
            # Of a large one it takes seconds, in which agents are to be heard.
            await asyncio.to_thread(read_applied, asked.text)
        _LOG.info("%s previews %d past days", quoted(caller.name), asked.days)
        preview = asyncio.ensure_future(self._preview(caller, asked))
        left = asyncio.ensure_future(self.is_left.wait())
        try:
            await asyncio.wait({preview, left}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            preview.cancel()
            # What the process takes is had back before the next one begins.
            await asyncio.wait({preview})
        if not preview.cancelled():
            await preview

    async def _preview(self, caller: Caller, asked: PastPreviewRequest) -> None:
        async def tell(event: Event) -> None:
            if not await self.is_still(caller):
                raise HTTPError(403, "your rights are others now")
            self.begin_events()
            await self.event(_NAMES[type(event)], event.model_dump_json())

        with suppress(StreamClosedError, TimeoutError):
            try:
                await self.previews.preview(caller.key, asked.text, asked.days, tell)
            except HTTPError:
                if self.answered is None:
                    raise
