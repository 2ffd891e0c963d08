"""Why a switch is as it is, who switched it last, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; of what was switched before, events alone tell."""
    op.add_column("switches", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    op.add_column("switches", sa.Column("switched_by", sa.String(255)))
    op.add_column("switches", sa.Column("switched_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Forget them."""
    for name in ("switched_at", "switched_by", "reason"):
        op.drop_column("switches", name)
