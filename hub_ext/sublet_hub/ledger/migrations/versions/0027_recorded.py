"""What happened, as far as it takes to simulate it: asks, cells, moves, cards.

And the number that is drawn once, by which names are replaced where that is written out.
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_BITS = 62
_LOTS = sa.table("lots", sa.column("name", sa.String), sa.column("drawn", sa.BigInteger))


def upgrade() -> None:
    """Add the tables, and draw."""
    op.create_table(
        "recorded_asks",
        sa.Column("ask_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("group", sa.String(255)),
        sa.Column("size", sa.String(255)),
        sa.Column("memory_mib", sa.BigInteger),
        sa.Column("compute_milli", sa.BigInteger),
        sa.Column("gpu_type", sa.String(255)),
        sa.Column("never_suspended", sa.Boolean, nullable=False),
        sa.Column("answer", sa.String(64), nullable=False),
        sa.Column("slice_id", sa.String(64)),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ask_id", name="pk_recorded_asks"),
    )
    op.create_index("ix_recorded_asks_at", "recorded_asks", ["at"])
    op.create_index("ix_recorded_asks_owner_at", "recorded_asks", ["owner", "at"])
    op.create_table(
        "recorded_cells",
        sa.Column("slice_id", sa.String(64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stretches", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("slice_id", "until", name="pk_recorded_cells"),
    )
    op.create_index("ix_recorded_cells_until", "recorded_cells", ["until"])
    op.create_table(
        "recorded_moves",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("leaves", sa.Boolean, nullable=False),
        sa.Column("moves", sa.BigInteger, nullable=False),
        sa.Column("moved_mib", sa.BigInteger, nullable=False),
        sa.Column("took_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("hour", "node", "leaves", name="pk_recorded_moves"),
    )
    op.create_table(
        "recorded_cards",
        sa.Column("gpu_id", sa.String(255), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("memory_mib", sa.BigInteger, nullable=False),
        sa.Column("margin_mib", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("gpu_id", "at", name="pk_recorded_cards"),
    )
    op.create_index("ix_recorded_cards_at", "recorded_cards", ["at"])
    op.bulk_insert(_LOTS, [{"name": "pseudonyms", "drawn": secrets.randbits(_BITS)}])


def downgrade() -> None:
    """Forget all that."""
    op.execute(_LOTS.delete().where(_LOTS.c.name == "pseudonyms"))
    for table in ("recorded_cards", "recorded_moves", "recorded_cells", "recorded_asks"):
        op.drop_table(table)
