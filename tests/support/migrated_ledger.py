"""A ledger's database as migrations leave it: they take longer than many a test.

Made once in a process, by the migrations themselves; each test has a copy of its own. What
SQLAlchemy makes of the service's statements is kept as well: a new engine would make all anew.
"""

import tempfile
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sublet_hub.ledger.database import Database


def migrated_ledger(file: Path) -> Database:
    """Return a database with all its tables in a file; what is there already is kept."""
    database = Database(f"sqlite:///{file}")
    # Made of a dialect's statements, and found by that object: all that are SQLite's are alike.
    kept = _keeps_statements()
    database.engine.dialect, database.engine._compiled_cache = kept.dialect, kept._compiled_cache
    if file.exists():
        database.migrate()
    else:
        file.write_bytes(_new_ledger())
    return database


@cache
def _keeps_statements() -> Engine:
    engine = sa.create_engine("sqlite://", query_cache_size=5000)
    engine.connect().close()  # by which the dialect knows what SQLite can do
    engine.dispose()
    return engine


@cache
def _new_ledger() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        made = Database(f"sqlite:///{file}")
        made.migrate()
        made.close()
        return file.read_bytes()
