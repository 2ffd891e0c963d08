"""The question to this machine's agent what one's slice holds at this moment, and its answer.

A notebook server asks by its loop. Kernels block, in a thread or before their first cell.
"""

import asyncio
import socket
from typing import Final

from pydantic import ValidationError
from sublet_quota.wire.tenant_socket import (
    MOST_ANSWER_BYTES,
    TO_TENANT,
    AskShare,
    LocalShare,
    Unknown,
)

ANSWER_WITHIN_S: Final = 3.0
_QUESTION: Final = AskShare().model_dump_json().encode() + b"\n"
_SILENT: Final = "This machine's GPU agent does not answer."


class NoShareError(Exception):
    """The agent cannot say what the slice holds; the text says why."""


async def ask_share(socket_path: str) -> LocalShare:
    """Return what the agent says. ``NoShareError``, after at most ``ANSWER_WITHIN_S``."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(
                socket_path, limit=MOST_ANSWER_BYTES
            )
            try:
                writer.write(_QUESTION)
                line = await reader.readline()
            finally:
                writer.transport.abort()
    except (OSError, ValueError) as error:
        raise NoShareError(_SILENT) from error
    return _share_in(line)


def ask_share_blocking(socket_path: str, within_s: float) -> LocalShare:
    """Return what the agent says. ``NoShareError``, also where one step of it takes longer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(within_s)
            connection.connect(socket_path)
            connection.sendall(_QUESTION)
            with connection.makefile("rb") as answers:
                line = answers.readline(MOST_ANSWER_BYTES)
    except OSError as error:
        raise NoShareError(_SILENT) from error
    return _share_in(line)


def _share_in(line: bytes) -> LocalShare:
    try:
        answer = TO_TENANT.validate_json(line)
    except ValidationError as error:
        raise NoShareError(_SILENT) from error
    match answer:
        case LocalShare():
            return answer
        case Unknown(message=message):
            raise NoShareError(message)
        case _:
            message = f"This machine's GPU agent answered {answer.type!r}."
            raise NoShareError(message)
