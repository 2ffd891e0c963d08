"""Closings of cards and nodes that begin at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: what there is has begun."""
    with op.batch_alter_table("closings") as closings:
        closings.add_column(sa.Column("begins_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Forget those that have not begun, which a service of before would take for closed."""
    op.execute("DELETE FROM closings WHERE begins_at IS NOT NULL")
    with op.batch_alter_table("closings") as closings:
        closings.drop_column("begins_at")
