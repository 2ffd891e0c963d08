"""The notebook server that a job was promoted from. Of jobs of before it is not known."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("server", sa.String(255)))


def downgrade() -> None:
    """Forget where jobs came from."""
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("server")
