"""How many files this process may open: connections are files, and a cluster has many agents."""

import contextlib
import resource
from typing import Final

MOST_FILES: Final = 16_384


def allow_files(most: int = MOST_FILES) -> int:
    """Raise the limit to ``most`` where that is allowed; return what it is then.

    What is started afterwards inherits it: programs of others may expect the usual 1,024.
    """
    allowed, bound = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if bound == resource.RLIM_INFINITY else min(most, bound)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        # The kernel's own bound may be lower by now than what was inherited.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, bound))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
