"""A simulation in one call: the face of this room.

    scenario = Scenario(document, cards, days_of(people, begins, ends), begins, ends)
    figures = simulate(scenario)

``document`` is one that ``read_quota_document`` read; ``cards`` are ``GpuFacts``. What is asked for
comes from ``people.days_of``, from ``asks.trace_table.read_trace``, or is written out. The same
scenario gives the same figures, to the last digit. ``Cluster(scenario)`` is for whoever wants to
look on, step by step: its ``record`` has all that happened.
"""

from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.figures import Figures, figures_of


def simulate(scenario: Scenario) -> Figures:
    """Return the figures of a scenario, run to its end."""
    return figures_of(Cluster(scenario).run())
