"""The agent as a kubelet's device plugin: lendable room as the resource ``sublet.dev/lent``.

``kubelet`` needs the packages of the extra ``kubernetes``; nothing else here does.
"""
