"""The ledger's tables of what happened, kept for simulations.

Their shape changes only together with a migration, as that of all others.
"""

import sqlalchemy as sa

from sublet_hub.ledger.tables import METADATA, UtcDateTime

RECORDED_ASKS = sa.Table(
    "recorded_asks",
    METADATA,
    sa.Column("ask_id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("server", sa.String(255), nullable=False),
    sa.Column("groups", sa.JSON, nullable=False),
    sa.Column("group", sa.String(255)),
    sa.Column("size", sa.String(255)),
    sa.Column("memory_mib", sa.BigInteger),
    sa.Column("compute_milli", sa.BigInteger),
    sa.Column("gpu_type", sa.String(255)),
    sa.Column("never_suspended", sa.Boolean, nullable=False),
    sa.Column("takes_cpu_milli", sa.BigInteger),
    sa.Column("takes_memory_mib", sa.BigInteger),
    sa.Column("takes_of_cap_milli", sa.BigInteger),
    sa.Column("answer", sa.String(64), nullable=False),
    sa.Column("slice_id", sa.String(64)),
    sa.Column("at", UtcDateTime, nullable=False, index=True),
    sa.Column("last_at", UtcDateTime, nullable=False),
    sa.Index("ix_recorded_asks_owner_at", "owner", "at"),
)

RECORDED_CELLS = sa.Table(
    "recorded_cells",
    METADATA,
    sa.Column("slice_id", sa.String(64), primary_key=True),
    sa.Column("until", UtcDateTime, primary_key=True, index=True),
    sa.Column("stretches", sa.LargeBinary, nullable=False),
)

RECORDED_MOVES = sa.Table(
    "recorded_moves",
    METADATA,
    sa.Column("hour", UtcDateTime, primary_key=True),
    sa.Column("node", sa.String(255), primary_key=True),
    sa.Column("leaves", sa.Boolean, primary_key=True),
    sa.Column("moves", sa.BigInteger, nullable=False),
    sa.Column("moved_mib", sa.BigInteger, nullable=False),
    sa.Column("took_s", sa.Float(53), nullable=False),
)

RECORDED_CARDS = sa.Table(
    "recorded_cards",
    METADATA,
    sa.Column("gpu_id", sa.String(255), primary_key=True),
    sa.Column("at", UtcDateTime, primary_key=True, index=True),
    sa.Column("node", sa.String(255), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("type", sa.String(255), nullable=False),
    sa.Column("memory_mib", sa.BigInteger, nullable=False),
    sa.Column("margin_mib", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
)
