"""Runs a promoted notebook, or says whether it could be run: ``python -m sublet_lab.runner``.

Both run as the notebook's owner, started by the hub service, and tell it what happens in JSON.
"""
