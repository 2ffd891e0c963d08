"""Events in their order, of all and of one owner: a page is read without sorting many."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OF_ALL = "ix_events_at_event_id"
_OF_OWNER = "ix_events_owner_at_event_id"
_OF_ALL_BEFORE = "ix_events_at"
_OF_OWNER_BEFORE = "ix_events_owner"


def upgrade() -> None:
    """Add the indices in place of those that do not tell events of one moment apart."""
    op.create_index(_OF_ALL, "events", ["at", "event_id"])
    op.create_index(_OF_OWNER, "events", ["owner", "at", "event_id"])
    op.drop_index(_OF_ALL_BEFORE, "events")
    op.drop_index(_OF_OWNER_BEFORE, "events")


def downgrade() -> None:
    """Have those of before again."""
    op.create_index(_OF_OWNER_BEFORE, "events", ["owner"])
    op.create_index(_OF_ALL_BEFORE, "events", ["at"])
    op.drop_index(_OF_OWNER, "events")
    op.drop_index(_OF_ALL, "events")
