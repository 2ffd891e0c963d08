"""A slice's pod, on Kubernetes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the pod's names; slices of before have none."""
    op.add_column("slices", sa.Column("pod_uid", sa.String(255)))
    op.add_column("slices", sa.Column("pod_namespace", sa.String(255)))
    op.add_column("slices", sa.Column("pod_name", sa.String(255)))


def downgrade() -> None:
    """Forget the pods."""
    op.drop_column("slices", "pod_name")
    op.drop_column("slices", "pod_namespace")
    op.drop_column("slices", "pod_uid")
