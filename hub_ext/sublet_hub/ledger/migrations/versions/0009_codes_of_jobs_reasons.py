"""Why jobs are as they are: a code with its numbers, and what was told from outside."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; the sentences of before stay as what was told."""
    code = sa.Column("reason_code", sa.String(64), nullable=False, server_default="told-before")
    op.add_column("jobs", code)
    numbers = sa.Column("reason_numbers", sa.JSON, nullable=False, server_default="{}")
    op.add_column("jobs", numbers)
    op.add_column("jobs", sa.Column("reason_told", sa.Text, nullable=False, server_default=""))
    op.execute("UPDATE jobs SET reason_told = reason")
    op.drop_column("jobs", "reason")


def downgrade() -> None:
    """Make texts of them: what was told behind its code, as a sentence alone where it was one."""
    op.add_column("jobs", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    op.execute(
        """
        UPDATE jobs SET reason = CASE
            WHEN reason_code IN ('told-before', 'begun', 'done') THEN reason_told
            WHEN reason_told = '' THEN reason_code
            ELSE reason_code || ': ' || reason_told
        END
        """
    )
    for name in ("reason_told", "reason_numbers", "reason_code"):
        op.drop_column("jobs", name)
