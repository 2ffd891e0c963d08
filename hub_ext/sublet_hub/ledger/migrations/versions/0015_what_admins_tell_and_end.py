"""What admins tell owners, and the servers and jobs of theirs that admins end."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "announcements",
        sa.Column("announcement_id", sa.String(64), nullable=False),
        sa.Column("audience", sa.String(16), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("made_by", sa.String(255), nullable=False),
        sa.Column("made_at", _AT, nullable=False),
        sa.Column("until", _AT, nullable=False),
        sa.PrimaryKeyConstraint("announcement_id", name="pk_announcements"),
    )
    op.create_table(
        "evictions",
        sa.Column("eviction_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("slice_id", sa.String(64)),
        sa.Column("job_id", sa.String(64)),
        sa.Column("cancels", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("evicted_by", sa.String(255), nullable=False),
        sa.Column("asked_at", _AT, nullable=False),
        sa.Column("due_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("eviction_id", name="pk_evictions"),
    )


def downgrade() -> None:
    """Forget them."""
    op.drop_table("evictions")
    op.drop_table("announcements")
