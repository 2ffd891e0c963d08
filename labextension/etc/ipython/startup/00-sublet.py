# ruff: noqa: D100, INP001, F821, SIM102 (no module: IPython runs it, and a docstring would show)
# Puts Sublet's gate before the cells of every Python kernel of this environment. A startup file,
# since one of its own name meets nobody else's settings, and no user's list of extensions drops it.
# On a server without a slice it brings %sublet alone, elsewhere nothing; it leaves no name behind.
if any(
    names <= __import__("os").environ.keys()
    for names in (
        {"SUBLET_AGENT_SOCKET", "SUBLET_SLICE_ID"},
        {"SUBLET_SERVICE_URL"},
        {"SUBLET_NO_GPU_REASON"},
    )
):
    if hasattr(get_ipython(), "kernel"):
        get_ipython().extension_manager.load_extension("sublet_lab.kernel")
