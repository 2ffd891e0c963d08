"""Cards and nodes that an admin has closed to what is new."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "closings",
        sa.Column("place", sa.String(300), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("gpu_id", sa.String(255)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("closed_by", sa.String(255), nullable=False),
        sa.Column("closed_at", _AT, nullable=False),
        sa.Column("until", _AT),
        sa.Column("drains", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_closings"),
    )


def downgrade() -> None:
    """Forget them: all such cards are open."""
    op.drop_table("closings")
