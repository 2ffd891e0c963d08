"""Notices that go out by mail or webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("notice_id", sa.String(64), nullable=False),
        sa.Column("audience", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("from_admin", sa.Boolean, nullable=False),
        sa.Column("made_at", _AT, nullable=False),
        sa.Column("until", _AT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", _AT, nullable=False),
        sa.Column("done_at", _AT),
        sa.Column("problem", sa.String(32)),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_deliveries"),
    )


def downgrade() -> None:
    """Forget it: what was not sent is not sent."""
    op.drop_table("deliveries")
