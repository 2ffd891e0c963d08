"""A mail server: SMTP with STARTTLS and a login, which takes mails or refuses as a test says."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass(frozen=True)
class TakenMail:
    """A mail that the server took, with its envelope."""

    sender: str
    to: tuple[str, ...]
    message: EmailMessage
    raw: bytes
    was_secured: bool
    user: str | None


@dataclass
class MailServer:
    """What the server does, and what it took."""

    port: int = 0
    context: ssl.SSLContext | None = None
    """``None``: it offers no STARTTLS."""
    login: tuple[str, str] | None = None
    """The user and password without which nothing is taken."""
    refuses: dict[str, str] = field(default_factory=dict)
    """By receiver, the answer: ``550 no such user``."""
    is_hung: bool = False
    """Whether it takes connections, and says nothing."""
    taken: list[TakenMail] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one client until it leaves."""
        self.connections += 1
        try:
            await _Conversation(self, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()


class _Conversation:
    def __init__(
        self, server: MailServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._secured = False
        self._user: str | None = None
        self._sender = ""
        self._to: list[str] = []

    async def run(self) -> None:
        if self._server.is_hung:
            await self._reader.read()
            return
        await self._say("220 mail.test ESMTP")
        while line := (await self._reader.readline()).decode().strip():
            verb, _, rest = line.partition(" ")
            if verb.upper() == "QUIT":
                await self._say("221 bye")
                return
            await self._answer(verb.upper(), rest)

    async def _answer(self, verb: str, rest: str) -> None:
        server = self._server
        match verb:
            case "EHLO" | "HELO":
                await self._say(*self._offers())
            case "STARTTLS" if server.context is not None and not self._secured:
                await self._say("220 go on")
                await self._writer.start_tls(server.context)
                self._secured = True
            case "AUTH":
                await self._log_in(rest)
            case _ if server.login is not None and self._user is None:
                await self._say("530 log in first")
            case "MAIL":
                self._sender, self._to = _address(rest), []
                await self._say("250 ok")
            case "RCPT":
                answer = server.refuses.get(_address(rest), "250 ok")
                if answer.startswith("250"):
                    self._to.append(_address(rest))
                await self._say(answer)
            case "DATA":
                await self._take()
            case "RSET" | "NOOP":
                await self._say("250 ok")
            case _:
                await self._say("502 what?")

    def _offers(self) -> tuple[str, ...]:
        offers = ["mail.test"]
        if self._server.context is not None and not self._secured:
            offers.append("STARTTLS")
        if self._server.login is not None:
            offers.append("AUTH PLAIN")
        last = len(offers) - 1
        return tuple(f"250{' ' if i == last else '-'}{each}" for i, each in enumerate(offers))

    async def _log_in(self, rest: str) -> None:
        _, _, told = rest.partition(" ")
        _, user, password = base64.b64decode(told).decode().split("\0")
        if (user, password) == self._server.login:
            self._user = user
            await self._say("235 welcome")
        else:
            await self._say(f"535 not you, {user} with {password}")

    async def _take(self) -> None:
        await self._say("354 go on")
        sent = (await self._reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
        # A line that begins with a dot is sent with one more.
        raw = sent.replace(b"\r\n..", b"\r\n.")
        message = message_from_bytes(raw, policy=policy.default)
        self._server.taken.append(
            TakenMail(self._sender, tuple(self._to), message, raw, self._secured, self._user)
        )
        await self._say("250 taken")

    async def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self._writer.drain()


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


@asynccontextmanager
async def mail_server(certificate: Path | None = None) -> AsyncIterator[MailServer]:
    """Run one until the block ends; ``certificate``: a file with the certificate and its key."""
    made = MailServer()
    if certificate is not None:
        made.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.context.load_cert_chain(certificate)
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
