"""By what memory caps and compute shares of slices are kept, as their spawner has told."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: of slices that are there already nothing was told."""
    op.add_column("slices", sa.Column("cap_kept_by", sa.JSON))
    op.add_column("slices", sa.Column("compute_kept_by", sa.String(64)))


def downgrade() -> None:
    """Forget it: what engines keep is told no more until a server starts again."""
    with op.batch_alter_table("slices") as slices:
        slices.drop_column("compute_kept_by")
        slices.drop_column("cap_kept_by")
