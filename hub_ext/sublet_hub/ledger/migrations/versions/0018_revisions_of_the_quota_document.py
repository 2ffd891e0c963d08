"""The revisions of the quota document, where it is kept in the database."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "quota_revisions",
        sa.Column("revision", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("text", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("keys_changed", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_quota_revisions"),
    )


def downgrade() -> None:
    """Forget the revisions."""
    op.drop_table("quota_revisions")
