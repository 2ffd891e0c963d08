"""What stays as long as the process: Python is not to look through it for garbage.

All threads stand still while it looks. Of a whole service's modules and records that is a good part
of a second, again and again while a report of many rows is made in a thread beside the loop.
"""

import gc


def spare_long_lived() -> None:
    """Collect garbage once, and leave what is there then out of all later collections.

    What of it is used no more goes all the same, but for what refers to itself in a circle.
    """
    gc.collect()
    gc.freeze()
