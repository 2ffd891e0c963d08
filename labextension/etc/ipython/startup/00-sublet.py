# ruff: noqa: D100, INP001, F821, SIM102 (no module: IPython runs it, and a docstring would show)
# Puts Sublet's gate before the cells of every Python kernel of this environment. A startup file,
# since one of its own name meets nobody else's settings, and no user's list of extensions drops it.
# Outside of a slice it does nothing, and it leaves no name behind.
if {"SUBLET_AGENT_SOCKET", "SUBLET_SLICE_ID"} <= __import__("os").environ.keys():
    if hasattr(get_ipython(), "kernel"):
        get_ipython().extension_manager.load_extension("sublet_lab.kernel")
