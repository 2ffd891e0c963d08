"""Which group a job is charged to, what of held time is not charged, and what was written off.

Jobs of before were charged to all groups of their owners: where that was one, it pays.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_OF_JOBS = (
    ("named", sa.Boolean, sa.false()),
    ("member_of", sa.JSON, "[]"),
    ("lot", sa.BigInteger, "0"),
)
_UNSAID_MAX_RUN_S = 24 * 3600
_MOST_NAME = 255


def upgrade() -> None:
    """Add the columns and the table; jobs that had no bound on their runs get 24 h."""
    op.add_column("jobs", sa.Column("group", sa.String(_MOST_NAME)))
    for name, kind, default in _OF_JOBS:
        op.add_column("jobs", sa.Column(name, kind, nullable=False, server_default=default))
    off_s = sa.Column("off_s", sa.Float(53), nullable=False, server_default="0")
    op.add_column("held_periods", off_s)
    failed = sa.Column("hardware_failed", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("held_periods", failed)
    op.execute("UPDATE jobs SET member_of = groups")
    _charge()
    waiting = sa.table("jobs", sa.column("max_run_s"), sa.column("state"))
    unbounded = waiting.c.max_run_s.is_(None), waiting.c.state == "waiting"
    op.execute(sa.update(waiting).where(*unbounded).values(max_run_s=_UNSAID_MAX_RUN_S))
    op.create_table(
        "written_off",
        sa.Column("place", sa.String(64), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("owner", sa.String(255)),
        sa.Column("amount", sa.Float(53), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("place", name="pk_written_off"),
    )


def _charge() -> None:
    """Name the one group of who had one; what is the same in many rows is looked at once."""
    jobs = sa.table("jobs", sa.column("group"), sa.column("groups"))
    written = sa.cast(jobs.c.groups, sa.Text)
    for text in op.get_bind().execute(sa.select(written).distinct()).scalars().all():
        group = _only_one(text)
        if group is not None:
            op.execute(sa.update(jobs).where(written == text).values(group=group))


def _only_one(text: str) -> str | None:
    """Return the only group of a list; of what is no such list, none."""
    try:
        groups = json.loads(text)
    except ValueError:
        return None
    if not isinstance(groups, list) or len(groups) != 1 or not isinstance(groups[0], str):
        return None
    return groups[0] if 0 < len(groups[0]) <= _MOST_NAME else None


def downgrade() -> None:
    """Forget who pays, and what was written off."""
    op.drop_table("written_off")
    op.drop_column("held_periods", "hardware_failed")
    op.drop_column("held_periods", "off_s")
    for name, *_ in reversed(_OF_JOBS):
        op.drop_column("jobs", name)
    op.drop_column("jobs", "group")
