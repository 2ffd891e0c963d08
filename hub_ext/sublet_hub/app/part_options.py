"""The options that say how much of the quota document admins of one group may make of its part."""

from typing import Final

from sublet_quota.document.administered.bounds import PartBounds
from traitlets import HasTraits, Integer

_KIB: Final = 1024
_DEFAULT: Final = PartBounds()


class PartOptions(HasTraits):
    """What the part of one group may take of the document's own bounds."""

    quota_part_entries = Integer(
        _DEFAULT.entries,
        min=1,
        help="So many groups, exceptions and reservations the part of one group may have in the "
        "quota document, as its admins change it; the document has 5000 groups and as many "
        "exceptions at most. One that has more already may not grow.",
    ).tag(config=True)
    quota_part_kib = Integer(
        _DEFAULT.size_bytes // _KIB,
        min=1,
        help="So large that part may be, in KiB; the document is 1024 at most.",
    ).tag(config=True)
    quota_part_ends = Integer(
        _DEFAULT.ends,
        min=1,
        help="At so many different times that part's exceptions may end; all groups' together may "
        "at 200.",
    ).tag(config=True)

    def part_bounds(self) -> PartBounds:
        """Return the bounds of one group's part."""
        return PartBounds(self.quota_part_entries, self.quota_part_kib * _KIB, self.quota_part_ends)
