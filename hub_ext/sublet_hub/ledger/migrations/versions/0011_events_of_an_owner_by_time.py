"""Events of one owner in their order: a page of them is read without sorting all."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEX = "ix_events_owner_at_event_id"
_BEFORE = "ix_events_owner"


def upgrade() -> None:
    """Add the index in place of the one without times."""
    op.create_index(_INDEX, "events", ["owner", "at", "event_id"])
    op.drop_index(_BEFORE, "events")


def downgrade() -> None:
    """Have the one of before again."""
    op.create_index(_BEFORE, "events", ["owner"])
    op.drop_index(_INDEX, "events")
