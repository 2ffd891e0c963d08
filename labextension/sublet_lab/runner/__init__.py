"""The runner of promoted notebooks, as ``python -m sublet_lab.runner``.

A notebook is run, or looked at whether it could be. Both run as the notebook's owner, started by
the hub service, and tell it what happens in JSON.
"""
