"""The number that is drawn once for all groups: by it exact ties between them go."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_BITS = 62


def upgrade() -> None:
    """Add the table, and draw."""
    lots = op.create_table(
        "lots",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("drawn", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lots"),
    )
    op.bulk_insert(lots, [{"name": "groups", "drawn": secrets.randbits(_BITS)}])


def downgrade() -> None:
    """Forget what was drawn."""
    op.drop_table("lots")
