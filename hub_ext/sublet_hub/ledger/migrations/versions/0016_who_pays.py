"""Which group a slice is charged to, what was called back, and what counts as before.

A slice of before was charged to all groups of its owner: where that was one, it pays.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_AT = sa.DateTime(timezone=True)
_OF_SLICES = (
    ("named", sa.Boolean, sa.false()),
    ("member_of", sa.JSON, "[]"),
    ("called_back_since", _AT, None),
    ("called_back_for", sa.String(255), None),
    ("before_until", _AT, None),
    ("before_steps", sa.Integer, None),
    ("entitled", sa.Integer, None),
    ("entitled_in_force", sa.Integer, None),
    ("lot", sa.BigInteger, "0"),
)
_CHARGED = ("slices", "held_periods")
_MOST_NAME = 255


def upgrade() -> None:
    """Add the columns; the groups of before become the one that pays, or those that could."""
    for table in _CHARGED:
        op.add_column(table, sa.Column("group", sa.String(_MOST_NAME)))
    for name, kind, default in _OF_SLICES:
        nullable = default is None
        op.add_column("slices", sa.Column(name, kind, nullable=nullable, server_default=default))
    op.execute("UPDATE slices SET member_of = groups")
    for table in _CHARGED:
        _charge(table)
        op.drop_column(table, "groups")


def _charge(table: str) -> None:
    """Name the one group of who had one; what is the same in many rows is looked at once."""
    rows = sa.table(table, sa.column("group"), sa.column("groups"))
    written = sa.cast(rows.c.groups, sa.Text)
    connection = op.get_bind()
    for text in connection.execute(sa.select(written).distinct()).scalars().all():
        group = _only_one(text)
        if group is not None:
            op.execute(sa.update(rows).where(written == text).values(group=group))


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
    """Charge to the one group that paid; forget the rest."""
    for table in reversed(_CHARGED):
        op.add_column(table, sa.Column("groups", sa.JSON, nullable=False, server_default="[]"))
        rows = sa.table(table, sa.column("group", sa.Text), sa.column("groups", sa.JSON))
        paid = sa.select(rows.c.group).where(rows.c.group.is_not(None)).distinct()
        for group in op.get_bind().execute(paid).scalars().all():
            op.execute(sa.update(rows).where(rows.c.group == group).values(groups=[group]))
    for name, *_ in reversed(_OF_SLICES):
        op.drop_column("slices", name)
    for table in reversed(_CHARGED):
        op.drop_column(table, "group")
