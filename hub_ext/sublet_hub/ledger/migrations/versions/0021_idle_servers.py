"""Idle servers: whose owners are warned, have put the end off, or whose server was ended."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "idle_servers",
        sa.Column("slice_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("idle_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("max_idle_s", sa.Float(53), nullable=False),
        sa.Column("warned_at", sa.DateTime(timezone=True)),
        sa.Column("extended_until", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("slice_id", name="pk_idle_servers"),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("idle_servers")
