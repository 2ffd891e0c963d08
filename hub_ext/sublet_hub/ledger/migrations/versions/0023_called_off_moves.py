"""The cards that slices may have come to although their move there was called off."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: no move of before was called off, as far as is known."""
    column = sa.Column("perhaps_on", sa.JSON, nullable=False, server_default="[]")
    op.add_column("slices", column)


def downgrade() -> None:
    """Forget where slices may be: they are where they were."""
    with op.batch_alter_table("slices") as slices:
        slices.drop_column("perhaps_on")
