"""How hypothesis draws: no time limit for one example (a busy machine is no failure), and each run
draws the same, so that a failure points at a change. ``SUBLET_HYPOTHESIS=searching`` looks further.
"""

import os

from hypothesis import settings

settings.register_profile("the-same", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None)
settings.load_profile(os.environ.get("SUBLET_HYPOTHESIS", "the-same"))
