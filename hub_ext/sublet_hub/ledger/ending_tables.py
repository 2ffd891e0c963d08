"""The ledger's tables of servers and jobs that are to be ended, after their owners were told.

Their shape changes only together with a migration, as that of all others.
"""

import sqlalchemy as sa

from sublet_hub.ledger.tables import METADATA, UtcDateTime

EVICTIONS = sa.Table(
    "evictions",
    METADATA,
    sa.Column("eviction_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("server", sa.String(255), nullable=False),
    sa.Column("slice_id", sa.String(64)),
    sa.Column("job_id", sa.String(64)),
    sa.Column("cancels", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evicted_by", sa.String(255), nullable=False),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
)

IDLE_SERVERS = sa.Table(
    "idle_servers",
    METADATA,
    sa.Column("slice_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("server", sa.String(255), nullable=False),
    sa.Column("idle_since", UtcDateTime, nullable=False),
    sa.Column("max_idle_s", sa.Float(53), nullable=False),
    sa.Column("warned_at", UtcDateTime),
    sa.Column("extended_until", UtcDateTime),
    sa.Column("ended_at", UtcDateTime),
)

OVER_CAP_NOTICES = sa.Table(
    "over_cap_notices",
    METADATA,
    sa.Column("slice_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("server", sa.String(255), nullable=False),
    sa.Column("job", sa.String(255)),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("held_mib", sa.BigInteger, nullable=False),
    sa.Column("cap_mib", sa.BigInteger, nullable=False),
    sa.Column("max_over_cap_s", sa.Float(53), nullable=False),
    sa.Column("told_at", UtcDateTime, nullable=False),
    sa.Column("ended_at", UtcDateTime),
)
