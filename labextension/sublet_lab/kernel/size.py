"""The slice's size as it is when a kernel starts: it may have changed since its server started.

Frameworks read their limits once, so this comes before the first cell. An agent that is away is
not waited for: the limits of the server's start hold then, and the agent keeps the cap anyway.
"""

import os
from typing import Final

from sublet_quota.wire.environment import resized_environment

from sublet_lab.share.sources import ShareSources, UnknownShareError

_ANSWER_WITHIN_S: Final = 0.5


def take_current_size() -> None:
    """Set the variables of this process by what the agent says of its slice."""
    sources = ShareSources.of_environment()
    try:
        share = sources.local(within_s=_ANSWER_WITHIN_S)
    except UnknownShareError:
        return
    before = (os.environ.get("SUBLET_MEMORY_MIB"), os.environ.get("SUBLET_COMPUTE_MILLI"))
    if share.gpu_memory_mib and before != (str(share.cap_mib), str(share.compute_milli)):
        os.environ.update(
            resized_environment(
                share.cap_mib, share.compute_milli, share.gpu_memory_mib, os.environ
            )
        )
