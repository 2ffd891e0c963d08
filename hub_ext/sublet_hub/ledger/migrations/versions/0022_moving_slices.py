"""The card that a slice is moving to."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("slices", sa.Column("moving_to", sa.String(255)))


def downgrade() -> None:
    """Forget where slices are moving to: they are where they were."""
    with op.batch_alter_table("slices") as slices:
        slices.drop_column("moving_to")
