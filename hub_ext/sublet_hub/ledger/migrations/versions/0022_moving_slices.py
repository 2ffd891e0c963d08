"""The card that a slice is moving to, and the one that it came from."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    for name in ("moving_to", "came_from"):
        op.add_column("slices", sa.Column(name, sa.String(255)))


def downgrade() -> None:
    """Forget where slices are moving to: they are where they were."""
    with op.batch_alter_table("slices") as slices:
        for name in ("came_from", "moving_to"):
            slices.drop_column(name)
