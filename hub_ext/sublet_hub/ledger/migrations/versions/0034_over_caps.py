"""What owners were told of ends over their memory caps."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table; the service takes over what it kept in a file before."""
    op.create_table(
        "over_cap_notices",
        sa.Column("slice_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("job", sa.String(255)),
        sa.Column("since", _AT, nullable=False),
        sa.Column("held_mib", sa.BigInteger, nullable=False),
        sa.Column("cap_mib", sa.BigInteger, nullable=False),
        sa.Column("max_over_cap_s", sa.Float(53), nullable=False),
        sa.Column("told_at", _AT, nullable=False),
        sa.Column("ended_at", _AT),
        sa.PrimaryKeyConstraint("slice_id", name="pk_over_cap_notices"),
    )


def downgrade() -> None:
    """Forget what was told: owners are told anew, with the whole time."""
    op.drop_table("over_cap_notices")
