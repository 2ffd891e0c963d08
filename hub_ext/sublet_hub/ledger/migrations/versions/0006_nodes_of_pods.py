"""The node of a slice's pod, which can be another than its card's until an agent reports there."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the node; of pods of before it is not known."""
    op.add_column("slices", sa.Column("pod_node", sa.String(255)))


def downgrade() -> None:
    """Forget the nodes."""
    op.drop_column("slices", "pod_node")
