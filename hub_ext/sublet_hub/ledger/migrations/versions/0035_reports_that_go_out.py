"""Weeks' reports that go out by mail or webhook."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table, and to notices what goes out with them."""
    op.create_table(
        "week_reports",
        sa.Column("week", sa.String(8), nullable=False),
        sa.Column("made_at", _AT, nullable=False),
        sa.Column("until", _AT, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("week", name="pk_week_reports"),
    )
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.add_column(sa.Column("report", sa.Text, nullable=False, server_default=""))
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.alter_column("report", server_default=None, existing_type=sa.Text)


def downgrade() -> None:
    """Forget both: what was not sent is not sent."""
    op.execute("DELETE FROM deliveries WHERE report <> ''")
    with op.batch_alter_table("deliveries") as deliveries:
        deliveries.drop_column("report")
    op.drop_table("week_reports")
