"""What slices take of their nodes beside the GPU, and what was asked for with them."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_OF_SLICES = ("takes_cpu_milli", "takes_memory_mib")
_OF_ASKS = (*_OF_SLICES, "takes_of_cap_milli")


def upgrade() -> None:
    """Add the columns: of what is there already nothing is known."""
    for table, names in (("slices", _OF_SLICES), ("recorded_asks", _OF_ASKS)):
        for name in names:
            op.add_column(table, sa.Column(name, sa.BigInteger))


def downgrade() -> None:
    """Forget it."""
    for table, names in (("recorded_asks", _OF_ASKS), ("slices", _OF_SLICES)):
        with op.batch_alter_table(table) as changed:
            for name in names:
                changed.drop_column(name)
