"""Since when jobs stand still whose place a slice has taken below a limit."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("slices", sa.Column("held_back_since", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Forget who is held back: they go on."""
    with op.batch_alter_table("slices") as slices:
        slices.drop_column("held_back_since")
