"""The ledger: who holds which slice, which jobs there are, and what has happened."""
