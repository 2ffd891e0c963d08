"""Events of one owner and kind: what a day's keeping is reckoned from, at each keep and share."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEX = "ix_events_owner_kind_at"


def upgrade() -> None:
    """Add the index."""
    op.create_index(_INDEX, "events", ["owner", "kind", "at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(_INDEX, "events")
