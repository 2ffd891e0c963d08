"""In which role a revision of the quota document was made, and within which groups."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: what was made before, admins have made."""
    op.add_column("quota_revisions", sa.Column("role", sa.String(32)))
    op.add_column("quota_revisions", sa.Column("groups", sa.JSON))


def downgrade() -> None:
    """Forget in which role revisions were made; who made them stays."""
    with op.batch_alter_table("quota_revisions") as revisions:
        revisions.drop_column("groups")
        revisions.drop_column("role")
