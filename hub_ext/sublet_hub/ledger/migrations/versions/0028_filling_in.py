"""Which jobs others passed on GPUs that were kept, and since when each stands still."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: who has a place already came in their turn, and is thought to run."""
    passed = sa.Column("fills_in_for", sa.JSON, nullable=False, server_default="[]")
    op.add_column("slices", passed)
    op.add_column("slices", sa.Column("stands_since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Forget who makes way, and who stands still: they stay until they end."""
    with op.batch_alter_table("slices") as slices:
        slices.drop_column("fills_in_for")
        slices.drop_column("stands_since")
