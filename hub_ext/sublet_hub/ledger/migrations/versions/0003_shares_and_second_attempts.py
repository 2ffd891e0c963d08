"""What a user's share shows, and what a job is begun anew with."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_OF_SLICES = (
    ("given_up_at", _AT),
    ("lent_since", _AT),
    ("last_lent_from", _AT),
    ("last_lent_until", _AT),
    ("last_lent_job", sa.String(64)),
)
_OF_JOBS = (
    ("take_along", sa.JSON, "[]"),
    ("retries", sa.Integer, "0"),
    ("failed_attempts", sa.Integer, "0"),
    ("gpus", sa.Integer, "1"),
)


def upgrade() -> None:
    """Add the columns, and the tables of use and history; what is there began without them."""
    for name, kind in _OF_SLICES:
        op.add_column("slices", sa.Column(name, kind))
    for name, kind_of_job, default in _OF_JOBS:
        column = sa.Column(name, kind_of_job, nullable=False, server_default=default)
        op.add_column("jobs", column)
    op.add_column("jobs", sa.Column("current_cell", sa.Integer))
    op.create_table(
        "use_by_hour",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("hour", _AT, nullable=False),
        sa.Column("busy_s", sa.Float(53), nullable=False),
        sa.Column("lent_s", sa.Float(53), nullable=False),
        sa.Column("energy_mj", sa.BigInteger, nullable=False),
        sa.Column("unmetered_s", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("owner", "hour", name="pk_use_by_hour"),
    )
    op.create_index("ix_use_by_hour_hour", "use_by_hour", ["hour"])
    op.create_table(
        "history",
        sa.Column("slice_id", sa.String(64), nullable=False),
        sa.Column("ended_at", _AT, nullable=False),
        sa.Column("points", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("slice_id", "ended_at", name="pk_history"),
    )
    op.create_index("ix_history_ended_at", "history", ["ended_at"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("history")
    op.drop_table("use_by_hour")
    op.drop_column("jobs", "current_cell")
    for name, *_ in reversed(_OF_JOBS):
        op.drop_column("jobs", name)
    for name, _ in reversed(_OF_SLICES):
        op.drop_column("slices", name)
