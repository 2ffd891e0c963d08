"""At whose expense, and on which card's model, what was metered was used.

Of an hour of before it is known where its owner had slices at one group's expense, of one model.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_NEW = ("payer", "model")
_KEY = "pk_use_by_hour"


def upgrade() -> None:
    """Add the columns to the key, and fill them where there is but one answer."""
    with op.batch_alter_table("use_by_hour") as use:
        for name in _NEW:
            use.add_column(sa.Column(name, sa.String(255), nullable=False, server_default=""))
        use.drop_constraint(_KEY, type_="primary")
        use.create_primary_key(_KEY, ["owner", "hour", *_NEW])
    op.execute(
        "CREATE TEMPORARY TABLE one_answer AS "
        "SELECT owner, hour, MIN(payer) AS payer, MIN(model) AS model FROM charged_hours "
        "GROUP BY owner, hour HAVING MIN(payer) = MAX(payer) AND MIN(model) = MAX(model)"
    )
    op.execute("CREATE INDEX one_answer_of ON one_answer (owner, hour)")
    of_it = "one_answer.owner = use_by_hour.owner AND one_answer.hour = use_by_hour.hour"
    op.execute(
        f"UPDATE use_by_hour SET payer = (SELECT payer FROM one_answer WHERE {of_it}), "  # noqa: S608
        f"model = (SELECT model FROM one_answer WHERE {of_it}) "
        f"WHERE EXISTS (SELECT 1 FROM one_answer WHERE {of_it})"
    )
    op.execute("DROP TABLE one_answer")
    with op.batch_alter_table("use_by_hour") as use:
        for name in _NEW:
            use.alter_column(name, server_default=None, existing_type=sa.String(255))


def downgrade() -> None:
    """Add up again what each owner used in an hour."""
    op.execute(
        "CREATE TEMPORARY TABLE of_owners AS "
        "SELECT owner, hour, SUM(busy_s) AS busy_s, SUM(lent_s) AS lent_s, "
        "SUM(energy_mj) AS energy_mj, SUM(unmetered_s) AS unmetered_s "
        "FROM use_by_hour GROUP BY owner, hour"
    )
    op.execute("DELETE FROM use_by_hour")
    with op.batch_alter_table("use_by_hour") as use:
        use.drop_constraint(_KEY, type_="primary")
        for name in _NEW:
            use.drop_column(name)
        use.create_primary_key(_KEY, ["owner", "hour"])
    names = "owner, hour, busy_s, lent_s, energy_mj, unmetered_s"
    op.execute(f"INSERT INTO use_by_hour ({names}) SELECT {names} FROM of_owners")  # noqa: S608
    op.execute("DROP TABLE of_owners")
