"""The one process of a node that calls the driver to move other processes' memory.

The driver may not answer, and a caller that is killed in the middle may leave its target out of
step. So the calls are not the agent's own: the helper gives each a worker process, which finishes
what it began whatever becomes of helper and agent, waits no longer for an answer than was said,
and tells who asks next what is still under way.
"""
