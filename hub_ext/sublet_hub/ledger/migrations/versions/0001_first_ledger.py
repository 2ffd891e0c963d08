"""The first ledger: GPUs, slices, jobs, events, nodes and switches."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gpus",
        sa.Column("gpu_id", sa.String(255), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("type", sa.String(255), nullable=False),
        sa.Column("memory_mib", sa.BigInteger, nullable=False),
        sa.Column("margin_mib", sa.BigInteger, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("gpu_id", name="pk_gpus"),
    )
    op.create_table(
        "slices",
        sa.Column("slice_id", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("server", sa.String(255), nullable=False),
        sa.Column("job_id", sa.String(64)),
        sa.Column("size", sa.String(255)),
        sa.Column("pool", sa.String(255), nullable=False),
        sa.Column("gpu_id", sa.String(255), nullable=False),
        sa.Column("memory_mib", sa.BigInteger, nullable=False),
        sa.Column("compute_milli", sa.Integer, nullable=False),
        sa.Column("uid", sa.BigInteger, nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("root_pid", sa.BigInteger),
        sa.Column("root_start_time", sa.Float(53)),
        sa.Column("kept_until", _AT),
        sa.Column("wanted_since", _AT),
        sa.Column("released_at", _AT),
        sa.PrimaryKeyConstraint("slice_id", name="pk_slices"),
    )
    op.create_index("ix_slices_released_at", "slices", ["released_at"])
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("notebook", sa.Text, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("kernel", sa.String(255)),
        sa.Column("memory_mib", sa.BigInteger),
        sa.Column("compute_milli", sa.Integer, nullable=False),
        sa.Column("gpu_type", sa.String(255)),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("max_run_s", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("submitted_at", _AT, nullable=False),
        sa.Column("cells_total", sa.Integer),
        sa.Column("cells_done", sa.Integer, nullable=False),
        sa.Column("started_at", _AT),
        sa.Column("ended_at", _AT),
        sa.Column("slice_id", sa.String(64)),
        sa.Column("boot_id", sa.String(64)),
        sa.Column("pid", sa.BigInteger),
        sa.Column("pid_start_time", sa.Float(53)),
        sa.Column("gpus_held", sa.Float(53), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("cancel_asked_at", _AT),
        sa.Column("output_notebook", sa.Text),
        sa.Column("exit_code", sa.Integer),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_owner", "jobs", ["owner"])
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "events",
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("node", sa.String(255)),
        sa.Column("gpu_id", sa.String(255)),
        sa.Column("slice_id", sa.String(255)),
        sa.Column("for_slice_id", sa.String(255)),
        sa.Column("owner", sa.String(255)),
        sa.Column("bytes_mib", sa.BigInteger, nullable=False),
        sa.Column("took_s", sa.Float(53), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_events"),
    )
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_owner", "events", ["owner"])
    op.create_table(
        "nodes",
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_nodes"),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("on", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_switches"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("switches", "nodes", "events", "jobs", "slices", "gpus"):
        op.drop_table(table)
