"""What was held by kind and hour, for budgets; and what of budgets was told."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables; of before nothing is charged."""
    op.create_table(
        "charged_hours",
        sa.Column("hour", _AT, nullable=False),
        *(sa.Column(name, sa.String(255), nullable=False) for name in ("payer", "owner", "model")),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("entitled", sa.Boolean, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("held_us", "card_us", "paid_us")
        ),
        sa.PrimaryKeyConstraint(
            "hour", "payer", "owner", "model", "kind", "entitled", name="pk_charged_hours"
        ),
    )
    op.create_table(
        "charged_until",
        sa.Column("mark", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("until", _AT, nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_charged_until"),
    )
    op.create_table(
        "budgets_told",
        sa.Column("payer", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("news", sa.String(16), nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("hours", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("payer", "owner", "news", name="pk_budgets_told"),
    )


def downgrade() -> None:
    """Forget what was charged."""
    for name in ("budgets_told", "charged_until", "charged_hours"):
        op.drop_table(name)
