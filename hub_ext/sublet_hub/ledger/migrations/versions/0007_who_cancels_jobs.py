"""Who asked that a job be cancelled."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the name; of jobs of before it is not known, and taken for their owner's."""
    op.add_column("jobs", sa.Column("cancel_asked_by", sa.String(255)))


def downgrade() -> None:
    """Forget the names."""
    op.drop_column("jobs", "cancel_asked_by")
