"""How long which size was held, so that a resize does not change what was before it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_TABLE = "held_periods"
_COLUMNS = (
    ("holder", sa.String(16), False),
    ("owner", sa.String(255), False),
    ("groups", sa.JSON, False),
    ("job_id", sa.String(64), True),
    ("pool", sa.String(255), False),
    ("size", sa.String(255), True),
    ("gpu_id", sa.String(255), False),
    ("memory_mib", sa.BigInteger, False),
    ("compute_milli", sa.Integer, False),
)
"""What a slice's row has under the same names."""


def upgrade() -> None:
    """Add the table; of slices of before one period each is known, of their last size."""
    made = op.create_table(
        _TABLE,
        sa.Column("slice_id", sa.String(64), nullable=False),
        sa.Column("began_at", _AT, nullable=False),
        sa.Column("ended_at", _AT),
        *(sa.Column(name, kind, nullable=optional) for name, kind, optional in _COLUMNS),
        sa.Column("node", sa.String(255)),
        sa.Column("gpu_type", sa.String(255)),
        sa.Column("usable_mib", sa.BigInteger),
        sa.PrimaryKeyConstraint("slice_id", "began_at", name="pk_held_periods"),
    )
    op.create_index("ix_held_periods_ended_at", _TABLE, ["ended_at"])
    slices = sa.table(
        "slices",
        *(sa.column(name) for name in ("slice_id", "created_at", "released_at")),
        *(sa.column(name) for name, _, _ in _COLUMNS),
    )
    gpus = sa.table(
        "gpus",
        *(sa.column(name) for name in ("gpu_id", "node", "type", "memory_mib", "margin_mib")),
    )
    own = [slices.c[name] for name, _, _ in _COLUMNS]
    there = [gpus.c.node, gpus.c.type, gpus.c.memory_mib - gpus.c.margin_mib]
    known = sa.select(
        slices.c.slice_id, slices.c.created_at, slices.c.released_at, *own, *there
    ).select_from(slices.outerjoin(gpus, slices.c.gpu_id == gpus.c.gpu_id))
    op.execute(sa.insert(made).from_select([column.name for column in made.columns], known))


def downgrade() -> None:
    """Forget them."""
    op.drop_table(_TABLE)
