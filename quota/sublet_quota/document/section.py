"""The base of all sections of a quota document: frozen, strict about keys, and nothing is empty.

A key without a value is refused, since it would mean "no limit" to the reader and "nothing" to the
writer; a whole section without content says nothing.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

EMPTY_KEY: Final = "empty_key"
"""The kind of pydantic's error for a key without a value."""


class Section(BaseModel):
    """A section: a key that is left out says nothing, and is not written either."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_alias=True, validate_by_name=True
    )

    lists_that_may_be_empty: ClassVar[frozenset[str]] = frozenset()
    """The keys of lists that may be there without content; others are refused."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, value: Any) -> Any:
        """Return a section without any key for one without content (``interactive:``)."""
        return {} if value is None else value

    @field_validator("*", mode="before")
    @classmethod
    def _has_a_value(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None:
            return value
        annotation = cls.model_fields[info.field_name or ""].annotation
        if get_origin(annotation) is dict or info.field_name in cls.lists_that_may_be_empty:
            return {} if get_origin(annotation) is dict else ()
        match annotation:
            case type() if issubclass(annotation, Section) and annotation.may_be_empty():
                return {}
        raise refused_as_empty()

    @classmethod
    def may_be_empty(cls) -> bool:
        """Whether the section may be there without content."""
        return True

    @model_serializer(mode="wrap")
    def _only_what_is_said(self, handler: SerializerFunctionWrapHandler) -> Any:
        written = handler(self)
        if not isinstance(written, Mapping):
            return written
        return {key: value for key, value in written.items() if value is not None and value != {}}


def refused_as_empty() -> PydanticCustomError:
    """Return the error for a key without a value."""
    return PydanticCustomError(EMPTY_KEY, "is empty")
