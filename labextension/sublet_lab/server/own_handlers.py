"""The routes below ``/sublet/api/`` that a notebook server answers by itself."""

import asyncio
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from pydantic import TypeAdapter
from sublet_quota.wire.notebook_server import KernelHolding, LiteralReading, LiteralsRequest
from tornado import web

from sublet_lab.agent_share import NoShareError, ask_share
from sublet_lab.notebooks.inspection import InspectionError, inspect
from sublet_lab.notebooks.literals import read_literal
from sublet_lab.server.handlers import Handler, SubletHandler
from sublet_lab.server.kernel_holdings import join
from sublet_lab.server.kernel_processes import processes_of
from sublet_lab.server.service_client import Answer

_HOLDINGS: TypeAdapter[tuple[KernelHolding, ...]] = TypeAdapter(tuple[KernelHolding, ...])
_READINGS: TypeAdapter[tuple[LiteralReading, ...]] = TypeAdapter(tuple[LiteralReading, ...])


def inspect_handler(root: str) -> Handler:
    """Return the handler that describes a notebook, for the dialog that makes a job of it."""
    return (r"/sublet/api/notebooks/inspect", InspectHandler, {"root": root})


def literals_handler() -> Handler:
    """Return the handler that reads what is typed into that dialog as parameters."""
    return (r"/sublet/api/notebooks/literals", LiteralsHandler, {})


def local_share_handler(agent_socket: str) -> Handler:
    """Return the handler that asks this machine's agent, for a panel up to the second."""
    return (r"/sublet/api/local-share", LocalShareHandler, {"agent_socket": agent_socket})


def kernels_handler(agent_socket: str) -> Handler:
    """Return the handler that says what each kernel of the server holds."""
    return (r"/sublet/api/kernels", KernelsHandler, {"agent_socket": agent_socket})


class InspectHandler(SubletHandler):
    """The handler of the question what is in a notebook."""

    auth_resource = "contents"
    """The resource to be allowed: who may not read the server's files may not see what is in them.
    """

    def initialize(self, root: str) -> None:
        """Take the folder that all paths are below."""
        self.root = Path(root).expanduser()

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with what is in the notebook of ``?path=``."""
        path = self.get_query_argument("path", "", strip=False)
        try:
            found = await asyncio.to_thread(inspect, self.root, path)
        except InspectionError as error:
            self.refuse(HTTPStatus.BAD_REQUEST, "bad-notebook", str(error))
            return
        except OSError as error:
            message = f"The notebook's folder cannot be read: {error.strerror or error}."
            self.refuse(HTTPStatus.BAD_REQUEST, "bad-notebook", message)
            return
        self.answer(Answer(HTTPStatus.OK, found.model_dump_json().encode()))


class LiteralsHandler(SubletHandler):
    """The handler of the question what texts stand for in Python."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        """Answer with the values of the texts, read beside the server's loop."""
        asked = self.read_body(LiteralsRequest)
        if asked is None:
            return
        readings = await asyncio.to_thread(lambda: tuple(map(read_literal, asked.texts)))
        self.answer(Answer(HTTPStatus.OK, _READINGS.dump_json(readings)))


class LocalShareHandler(SubletHandler):
    """The handler of the question what the agent says of this server's slice."""

    def initialize(self, agent_socket: str) -> None:
        """Take the agent's address."""
        self.agent_socket = agent_socket

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with what the agent says."""
        try:
            share = await ask_share(self.agent_socket)
        except NoShareError as error:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no-share", str(error))
            return
        self.answer(Answer(HTTPStatus.OK, share.model_dump_json().encode()))


class KernelsHandler(SubletHandler):
    """The handler of the question what each kernel of the server holds of its slice."""

    auth_resource = "kernels"

    def initialize(self, agent_socket: str) -> None:
        """Take the agent's address."""
        self.agent_socket = agent_socket

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Answer with the server's sessions, joined with what the agent says."""
        try:
            share = await ask_share(self.agent_socket)
        except NoShareError as error:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE, "no-share", str(error))
            return
        managers: Any = self
        kernels: Any = await ensure_async(managers.kernel_manager.list_kernels())
        sessions: Any = await ensure_async(managers.session_manager.list_sessions())
        pids: dict[str, frozenset[int]] = {}
        if any(process.kernel is None for process in share.processes):
            # Reads all of /proc: only where the agent does not know by itself.
            pids = await asyncio.to_thread(processes_of, managers.kernel_manager)
        body = _HOLDINGS.dump_json(join(kernels, sessions, pids, share))
        self.answer(Answer(HTTPStatus.OK, body))
