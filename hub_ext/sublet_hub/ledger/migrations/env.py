"""How alembic runs the ledger's migrations: on the connection that the service hands over."""

from alembic import context

from sublet_hub.ledger.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
