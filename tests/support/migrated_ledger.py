"""A ledger's database as migrations leave it: they take longer than many a test.

Made once in a process, by the migrations themselves; each test has a copy of its own.
"""

import tempfile
from functools import cache
from pathlib import Path

from sublet_hub.ledger.database import Database


def migrated_ledger(file: Path) -> Database:
    """Return a database with all its tables in a file; what is there already is kept."""
    database = Database(f"sqlite:///{file}")
    if file.exists():
        database.migrate()
    else:
        file.write_bytes(_new_ledger())
    return database


@cache
def _new_ledger() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite"
        made = Database(f"sqlite:///{file}")
        made.migrate()
        made.close()
        return file.read_bytes()
