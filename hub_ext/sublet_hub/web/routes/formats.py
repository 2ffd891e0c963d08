"""As what a report is asked for: as JSON, or as a table of comma-separated values."""

from typing import Final

from sublet_hub.errors import BadRequestError
from sublet_hub.web.routes.route import Call, Nature, Parameter

FORMAT: Final = Parameter("format", Nature.TEXT, "json (when left out), or csv, as a file.")
_FORMATS: Final = ("json", "csv")


def wants_csv(call: Call) -> bool:
    """Whether a table is asked for. ``BadRequestError`` for what there is not."""
    asked = call.text(FORMAT.name) or _FORMATS[0]
    if asked not in _FORMATS:
        message = f"?format={asked} is none: there are {' and '.join(_FORMATS)}"
        raise BadRequestError(message)
    return asked == _FORMATS[1]
