"""What admins of groups tell those who are in these."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: what was told before, admins of all have told."""
    op.add_column("announcements", sa.Column("within", sa.JSON))


def downgrade() -> None:
    """Forget what admins of groups tell: it would be told in the name of an admin of all."""
    op.execute("DELETE FROM announcements WHERE CAST(within AS TEXT) NOT IN ('null', '[]')")
    with op.batch_alter_table("announcements") as announcements:
        announcements.drop_column("within")
