"""Alembic migrations of the ledger, run when the service starts."""
