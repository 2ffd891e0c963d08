"""Requests for slices and jobs that were refused."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_TABLE = "refusals"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        _TABLE,
        sa.Column("refusal_id", sa.String(64), nullable=False),
        sa.Column("alike", sa.String(64), nullable=False),
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
        sa.Column("first_at", _AT, nullable=False),
        sa.Column("last_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("refusal_id", name="pk_refusals"),
    )
    op.create_index("ix_refusals_alike", _TABLE, ["alike"])
    op.create_index("ix_refusals_last_at_refusal_id", _TABLE, ["last_at", "refusal_id"])
    op.create_index(
        "ix_refusals_owner_last_at_refusal_id", _TABLE, ["owner", "last_at", "refusal_id"]
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table(_TABLE)
