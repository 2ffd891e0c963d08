"""The ledger's tables. Their shape changes only together with a migration beside this file."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC, also in databases that keep no time zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return a time in UTC, as it is stored."""
        del dialect
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return a stored time as an aware one in UTC."""
        del dialect
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


GPUS = sa.Table(
    "gpus",
    METADATA,
    sa.Column("gpu_id", sa.String(255), primary_key=True),
    sa.Column("node", sa.String(255), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("memory_mib", sa.BigInteger, nullable=False),
    sa.Column("margin_mib", sa.BigInteger, nullable=False),
    sa.Column("simulated", sa.Boolean, nullable=False),
)

SLICES = sa.Table(
    "slices",
    METADATA,
    sa.Column("slice_id", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(16), nullable=False),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("server", sa.String(255), nullable=False),
    sa.Column("job_id", sa.String(64)),
    sa.Column("size", sa.String(255)),
    sa.Column("pool", sa.String(255), nullable=False),
    sa.Column("gpu_id", sa.String(255), nullable=False),
    sa.Column("memory_mib", sa.BigInteger, nullable=False),
    sa.Column("compute_milli", sa.Integer, nullable=False),
    sa.Column("uid", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("root_pid", sa.BigInteger),
    sa.Column("root_start_time", sa.Float(53)),
    sa.Column("unit_group", sa.Text),
    sa.Column("kept_until", UtcDateTime),
    sa.Column("wanted_since", UtcDateTime),
    sa.Column("pod_uid", sa.String(255)),
    sa.Column("pod_namespace", sa.String(255)),
    sa.Column("pod_name", sa.String(255)),
    sa.Column("pod_node", sa.String(255)),
    sa.Column("never_suspended", sa.Text),
    sa.Column("given_up_at", UtcDateTime),
    sa.Column("lent_since", UtcDateTime),
    sa.Column("last_lent_from", UtcDateTime),
    sa.Column("last_lent_until", UtcDateTime),
    sa.Column("last_lent_job", sa.String(64)),
    sa.Column("group", sa.String(255)),
    sa.Column("named", sa.Boolean, nullable=False),
    sa.Column("member_of", sa.JSON, nullable=False),
    sa.Column("called_back_since", UtcDateTime),
    sa.Column("called_back_for", sa.String(255)),
    sa.Column("held_back_since", UtcDateTime),
    sa.Column("stands_since", UtcDateTime),
    sa.Column("fills_in_for", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("moving_to", sa.String(255)),
    sa.Column("came_from", sa.String(255)),
    sa.Column("perhaps_on", sa.JSON, nullable=False),
    sa.Column("before_until", UtcDateTime),
    sa.Column("before_steps", sa.Integer),
    sa.Column("entitled", sa.Integer),
    sa.Column("entitled_in_force", sa.Integer),
    sa.Column("lot", sa.BigInteger, nullable=False),
    sa.Column("takes_cpu_milli", sa.BigInteger),
    sa.Column("takes_memory_mib", sa.BigInteger),
    sa.Column("cap_kept_by", sa.JSON),
    sa.Column("compute_kept_by", sa.String(64)),
    sa.Column("released_at", UtcDateTime, index=True),
)

HELD_PERIODS = sa.Table(
    "held_periods",
    METADATA,
    sa.Column("slice_id", sa.String(64), primary_key=True),
    sa.Column("began_at", UtcDateTime, primary_key=True),
    sa.Column("ended_at", UtcDateTime, index=True),
    sa.Column("holder", sa.String(16), nullable=False),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("group", sa.String(255)),
    sa.Column("job_id", sa.String(64)),
    sa.Column("pool", sa.String(255), nullable=False),
    sa.Column("size", sa.String(255)),
    sa.Column("gpu_id", sa.String(255), nullable=False),
    sa.Column("memory_mib", sa.BigInteger, nullable=False),
    sa.Column("compute_milli", sa.Integer, nullable=False),
    sa.Column("node", sa.String(255)),
    sa.Column("gpu_type", sa.String(255)),
    sa.Column("usable_mib", sa.BigInteger),
    sa.Column("off_s", sa.Float(53), nullable=False),
    sa.Column("hardware_failed", sa.Boolean, nullable=False),
)

JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("job_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False, index=True),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("notebook", sa.Text, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("kernel", sa.String(255)),
    sa.Column("memory_mib", sa.BigInteger),
    sa.Column("compute_milli", sa.Integer, nullable=False),
    sa.Column("gpu_type", sa.String(255)),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("max_run_s", sa.BigInteger),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("submitted_at", UtcDateTime, nullable=False),
    sa.Column("cells_total", sa.Integer),
    sa.Column("cells_done", sa.Integer, nullable=False),
    sa.Column("started_at", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("slice_id", sa.String(64)),
    sa.Column("boot_id", sa.String(64)),
    sa.Column("pid", sa.BigInteger),
    sa.Column("pid_start_time", sa.Float(53)),
    sa.Column("gpus_held", sa.Float(53), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("cancel_asked_at", UtcDateTime),
    sa.Column("cancel_asked_by", sa.String(255)),
    sa.Column("output_notebook", sa.Text),
    sa.Column("exit_code", sa.Integer),
    sa.Column("take_along", sa.JSON, nullable=False),
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("failed_attempts", sa.Integer, nullable=False),
    sa.Column("gpus", sa.Integer, nullable=False),
    sa.Column("current_cell", sa.Integer),
    sa.Column("group", sa.String(255)),
    sa.Column("named", sa.Boolean, nullable=False),
    sa.Column("member_of", sa.JSON, nullable=False),
    sa.Column("lot", sa.BigInteger, nullable=False),
    sa.Column("server", sa.String(255)),
    sa.Column("reason_code", sa.String(64), nullable=False),
    sa.Column("reason_numbers", sa.JSON, nullable=False),
    sa.Column("reason_told", sa.Text, nullable=False),
)

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("event_id", sa.String(255), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("node", sa.String(255)),
    sa.Column("gpu_id", sa.String(255)),
    sa.Column("slice_id", sa.String(255)),
    sa.Column("for_slice_id", sa.String(255)),
    sa.Column("owner", sa.String(255)),
    sa.Column("bytes_mib", sa.BigInteger, nullable=False),
    sa.Column("took_s", sa.Float(53), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Index("ix_events_at_event_id", "at", "event_id"),
    sa.Index("ix_events_owner_kind_at", "owner", "kind", "at"),
    sa.Index("ix_events_owner_at_event_id", "owner", "at", "event_id"),
)

USE_BY_HOUR = sa.Table(
    "use_by_hour",
    METADATA,
    sa.Column("owner", sa.String(255), primary_key=True),
    sa.Column("hour", UtcDateTime, primary_key=True, index=True),
    sa.Column("payer", sa.String(255), primary_key=True),
    sa.Column("model", sa.String(255), primary_key=True),
    sa.Column("busy_s", sa.Float(53), nullable=False),
    sa.Column("lent_s", sa.Float(53), nullable=False),
    sa.Column("energy_mj", sa.BigInteger, nullable=False),
    sa.Column("unmetered_s", sa.Float(53), nullable=False),
)

HISTORY = sa.Table(
    "history",
    METADATA,
    sa.Column("slice_id", sa.String(64), primary_key=True),
    sa.Column("ended_at", UtcDateTime, primary_key=True, index=True),
    sa.Column("points", sa.LargeBinary, nullable=False),
)

WRITTEN_OFF = sa.Table(
    "written_off",
    METADATA,
    sa.Column("place", sa.String(64), primary_key=True),
    sa.Column("node", sa.String(255), nullable=False),
    sa.Column("owner", sa.String(255)),
    sa.Column("amount", sa.Float(53), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

NODES = sa.Table(
    "nodes",
    METADATA,
    sa.Column("node", sa.String(255), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

CLOSINGS = sa.Table(
    "closings",
    METADATA,
    sa.Column("place", sa.String(300), primary_key=True),
    sa.Column("node", sa.String(255), nullable=False),
    sa.Column("gpu_id", sa.String(255)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("closed_by", sa.String(255), nullable=False),
    sa.Column("closed_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime),
    sa.Column("drains", sa.Boolean, nullable=False),
    sa.Column("begins_at", UtcDateTime),
)

REFUSALS = sa.Table(
    "refusals",
    METADATA,
    sa.Column("refusal_id", sa.String(64), primary_key=True),
    sa.Column("alike", sa.String(64), nullable=False, index=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("holder", sa.String(16), nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("size", sa.String(255)),
    sa.Column("memory_mib", sa.BigInteger),
    sa.Column("compute_milli", sa.BigInteger),
    sa.Column("gpus", sa.Integer),
    sa.Column("gpu_type", sa.String(255)),
    sa.Column("pool", sa.String(255)),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("numbers", sa.JSON, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("first_at", UtcDateTime, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
    sa.Index("ix_refusals_last_at_refusal_id", "last_at", "refusal_id"),
    sa.Index("ix_refusals_owner_last_at_refusal_id", "owner", "last_at", "refusal_id"),
)

ANNOUNCEMENTS = sa.Table(
    "announcements",
    METADATA,
    sa.Column("announcement_id", sa.String(64), primary_key=True),
    sa.Column("audience", sa.String(16), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("made_by", sa.String(255), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("within", sa.JSON),
)

DELIVERIES = sa.Table(
    "deliveries",
    METADATA,
    sa.Column("delivery_id", sa.String(64), primary_key=True),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("notice_id", sa.String(64), nullable=False),
    sa.Column("audience", sa.String(16), nullable=False),
    sa.Column("name", sa.String(255)),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("from_admin", sa.Boolean, nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcDateTime, nullable=False),
    sa.Column("done_at", UtcDateTime),
    sa.Column("problem", sa.String(32)),
    sa.Column("report", sa.Text, nullable=False),
)

WEEK_REPORTS = sa.Table(
    "week_reports",
    METADATA,
    sa.Column("week", sa.String(8), primary_key=True),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
)

QUOTA_REVISIONS = sa.Table(
    "quota_revisions",
    METADATA,
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("author", sa.String(255), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("keys_changed", sa.Integer, nullable=False),
    sa.Column("role", sa.String(32)),
    sa.Column("groups", sa.JSON),
)

CHARGED_HOURS = sa.Table(
    "charged_hours",
    METADATA,
    sa.Column("hour", UtcDateTime, primary_key=True),
    sa.Column("payer", sa.String(255), primary_key=True),
    sa.Column("owner", sa.String(255), primary_key=True),
    sa.Column("model", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("entitled", sa.Boolean, primary_key=True),
    sa.Column("held_us", sa.BigInteger, nullable=False),
    sa.Column("card_us", sa.BigInteger, nullable=False),
    sa.Column("paid_us", sa.BigInteger, nullable=False),
)

CHARGED_UNTIL = sa.Table(
    "charged_until",
    METADATA,
    sa.Column("mark", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("until", UtcDateTime, nullable=False),
)

BUDGETS_TOLD = sa.Table(
    "budgets_told",
    METADATA,
    sa.Column("payer", sa.String(255), primary_key=True),
    sa.Column("owner", sa.String(255), primary_key=True),
    sa.Column("news", sa.String(16), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("hours", sa.String(64), nullable=False),
)

LOTS = sa.Table(
    "lots",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("drawn", sa.BigInteger, nullable=False),
)

QUEUED_SERVERS = sa.Table(
    "queued_servers",
    METADATA,
    sa.Column("request_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("server", sa.String(255), nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("lot", sa.BigInteger, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("slice_id", sa.String(64)),
    sa.Column("turn_at", UtcDateTime),
    sa.UniqueConstraint("owner", "server", name="uq_queued_servers_owner_server"),
)

SWITCHES = sa.Table(
    "switches",
    METADATA,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("on", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("switched_by", sa.String(255)),
    sa.Column("switched_at", UtcDateTime),
)
