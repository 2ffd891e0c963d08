"""Whether the hub that runs was started before what it reads of Sublet's was written."""

from sublet_hub.installation.changes import File, Line
from sublet_hub.installation.layout import SERVICE_TOKEN
from sublet_hub.installation.plan import of_hub
from sublet_hub.installation.system import System
from sublet_hub.installation.tree import Tree
from sublet_hub.installation.wishes import Choices


def is_behind(tree: Tree, system: System, choices: Choices) -> bool:
    """Whether the hub must be restarted to know of Sublet; of one that does not run: no."""
    started_at = system.started_at(choices.hub.unit)
    if started_at is None:
        return False
    read = [each.path for each in of_hub(choices) if isinstance(each, File | Line)]
    written = [tree.written_at(path) for path in (*read, SERVICE_TOKEN)]
    return any(at is not None and at > started_at for at in written)
