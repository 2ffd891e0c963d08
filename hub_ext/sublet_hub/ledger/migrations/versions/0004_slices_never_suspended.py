"""Slices of backends under which nothing can be suspended."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add why a slice is never moved off its card; slices of before may be."""
    op.add_column("slices", sa.Column("never_suspended", sa.Text))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("slices", "never_suspended")
