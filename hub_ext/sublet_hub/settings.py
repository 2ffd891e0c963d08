"""The service's settings, frozen: what the application reads from its configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sublet_quota.document.administered.bounds import PartBounds
from sublet_quota.wire.quota import KeptIn

from sublet_hub.security.rate_limits import Rate

_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class OwnerLimits:
    """The limits of what one owner may take of the service itself."""

    requests: Rate = field(default_factory=lambda: Rate(burst=100, per_s=20))
    wakes: Rate = field(default_factory=lambda: Rate(burst=20, per_s=1 / 30))
    log_bytes: int = 64 * _MIB
    """The size of a job's log beyond which the job is ended."""
    owner_logs_bytes: int = 256 * _MIB
    """What the logs of one owner's ended jobs may take together."""


@dataclass(frozen=True, slots=True)
class VolumeBudget:
    """What may be taken of the disk with the state folder, and what is left for the ledger."""

    logs_bytes: int = 2048 * _MIB
    """What all jobs' logs may take together, those of running jobs included."""
    keep_free_bytes: int = 512 * _MIB
    """What stays free: below it logs are not written and jobs not taken, for the ledger's sake."""
    events_kept: int = 500_000


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The settings of jobs on this machine."""

    agent_socket: str
    simulated_socket: str | None
    service_url: str
    grace: timedelta = timedelta(seconds=20)
    """The time between SIGTERM and SIGKILL."""
    check_timeout: timedelta = timedelta(seconds=30)
    copy_timeout: timedelta = timedelta(minutes=5)
    """How long copying the files may take that a job takes along."""
    most_attempts: int = 3
    """How often a job is begun, where its process is lost again and again."""


@dataclass(frozen=True, slots=True)
class CarbonSettings:
    """By what grams of CO2 are reckoned from the energy of cards, and who says so."""

    g_per_kwh: float
    pue: float
    """How much the whole house takes for each kWh of the cards'."""
    source: str
    as_of: date


class MailSecurity(StrEnum):
    """How the way to the mail server is secured."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"
    """To a mail server on this machine."""


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Where notices go by mail, and how."""

    host: str
    port: int
    sender: str
    to: str
    """The users' addresses, with ``{username}`` for a user's name."""
    security: MailSecurity = MailSecurity.STARTTLS
    user: str = ""
    """Empty: nobody logs in."""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    """The certificates that are trusted; ``None``: the machine's."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where notices go by HTTP, and by what the receiver knows that they are ours."""

    url: str
    secret: str = field(repr=False)
    private: bool = False
    """Whether its name may lead to an address of a private network."""
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class WeekReportSettings:
    """When the report of the week before goes out, by which ways, and to whom."""

    weekday: int
    """0 is Monday."""
    time: time
    """In the zone, without one of its own."""
    zone: ZoneInfo
    by: frozenset[str] = frozenset()
    """The ways, as ``Channel`` names them."""
    to: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By group: the users who are sent it in the place of its admins."""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """The ways by which notices go out; ``None``: not by this one."""

    mail: MailSettings | None = None
    webhook: WebhookSettings | None = None
    reports: WeekReportSettings | None = None
    """``None``: no reports are sent."""


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings of everything below the application's edge."""

    state_folder: Path
    quota_file: Path | None
    jobs: JobSettings
    quota_source: KeptIn = KeptIn.FILE
    most_of_part: PartBounds = field(default_factory=PartBounds)
    """How much of the document the part of one group may be, as its admins change it."""
    limits: OwnerLimits = OwnerLimits()
    volume: VolumeBudget = VolumeBudget()
    retention: timedelta = timedelta(days=90)
    recorded_for: timedelta = timedelta(days=60)
    """How long it is kept what happened, for simulations; 0: it is not recorded."""
    carbon: CarbonSettings | None = None
    """``None``: no CO2 is told."""
    delivery: DeliverySettings = DeliverySettings()
    hub_check_period: timedelta = timedelta(seconds=10)
    missing_for: timedelta = timedelta(seconds=15)
    """How long a server may be unknown to the hub before its slice is released."""
    agents_return_within: timedelta = timedelta(seconds=8)
    """How long after its start servers wait for agents that had reported before it."""
    start_within: timedelta = timedelta(minutes=10)
    """How long a server may take to start before its slice is released, whatever the hub says."""
