"""The hub service: who holds which slice, jobs and their queue, the API, and the ledger."""
