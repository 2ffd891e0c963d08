"""The order of the ledger's jobs: what is charged to whom, and whose turn it is."""
