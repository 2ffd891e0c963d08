"""The control group of the systemd unit that a slice's server runs in."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: servers that run already are in no unit of their own."""
    op.add_column("slices", sa.Column("unit_group", sa.Text))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("slices", "unit_group")
