"""Every number, text and list on the wire has a bound, however deep it lies."""

import enum
import inspect
import types
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import pydantic
import pytest
from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from sublet_quota.wire import (
    agent_link,
    announcements,
    api,
    evictions,
    health,
    idle,
    jobs,
    notebook_server,
    past_preview,
    quota_preview,
    quota_revisions,
    rank,
    refusals,
    server_queue,
    share,
    slice_warnings,
    standing,
    tenant_socket,
)
from sublet_quota.wire.agent_link import FROM_AGENT, AgentEvent, GpuReport, SliceReport
from sublet_quota.wire.schema import BoundedBy, Count, Name, WireModel

MODULES = (
    agent_link,
    announcements,
    api,
    evictions,
    health,
    idle,
    jobs,
    notebook_server,
    past_preview,
    quota_preview,
    quota_revisions,
    rank,
    refusals,
    server_queue,
    share,
    slice_warnings,
    standing,
    tenant_socket,
)
REQUESTS = frozenset(
    {"AccountTemplate", "JobRequest", "PodStarted", "PodTemplate", "SliceRequest", "SliceStarted"}
)
"""What users and the hub ask: bounded as a whole, by the requests' own rules."""


def _models() -> Iterator[type[WireModel]]:
    for module in MODULES:
        for each in vars(module).values():
            is_model = inspect.isclass(each) and issubclass(each, WireModel)
            if is_model and each.__module__ == module.__name__:
                yield each


def _told() -> Iterator[type[WireModel]]:
    return (model for model in _models() if model.__name__ not in REQUESTS)


def _has_most(marks: list[Any]) -> bool:
    most = annotated_types.Le | annotated_types.Lt | annotated_types.MaxLen
    return any(
        isinstance(mark, most) or (isinstance(mark, StringConstraints) and mark.max_length)
        for mark in _flat(marks)
    )


def _has_least(marks: list[Any]) -> bool:
    least = annotated_types.Ge | annotated_types.Gt
    return any(isinstance(mark, least) for mark in _flat(marks))


def _flat(marks: list[Any]) -> Iterator[Any]:
    for mark in marks:
        yield from mark.metadata if isinstance(mark, FieldInfo) else [mark]


def unbounded(where: str, kind: Any, marks: list[Any]) -> Iterator[str]:
    """Yield what has no bound in a field; ``kind`` is its annotation, of which ``marks`` hold."""
    if any(isinstance(mark, BoundedBy) for mark in marks):
        return
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {types.UnionType, Union}:
        for part in parts:
            yield from unbounded(where, part, marks)
    elif hasattr(kind, "__metadata__"):
        yield from unbounded(where, kind.__origin__, [*marks, *kind.__metadata__])
    elif inspect.isclass(origin) and issubclass(origin, tuple | list | dict | Mapping):
        yield from unbounded_list(where, parts, marks)
    elif origin is not Literal and not _is_bounded(kind, marks):
        yield f"{where}: {kind}"


def unbounded_list(where: str, parts: tuple[Any, ...], marks: list[Any]) -> Iterator[str]:
    if not _has_most(marks):
        yield f"{where}: a list"
    for part in parts:
        if part is not ...:
            yield from unbounded(f"{where}[]", part, [])


def _is_bounded(kind: Any, marks: list[Any]) -> bool:
    if kind in {int, float}:
        return _has_most(marks) and _has_least(marks)
    if kind is str:
        return _has_most(marks)
    if kind is pydantic.AwareDatetime:
        return any(isinstance(mark, AfterValidator) for mark in marks)
    bounded = enum.Enum | BaseModel | bool | types.NoneType
    return inspect.isclass(kind) and issubclass(kind, bounded)


def bounded_twice(where: str, kind: Any, marks: list[Any]) -> Iterator[str]:
    """Yield where two bounds of one kind hold for one value: pydantic keeps the last alone."""
    if hasattr(kind, "__metadata__"):
        yield from bounded_twice(where, kind.__origin__, [*marks, *kind.__metadata__])
        return
    # Of two lengths, too, the last alone is kept.
    bounds = (annotated_types.Ge | annotated_types.Gt | annotated_types.Le | annotated_types.Lt) | (
        annotated_types.MinLen | annotated_types.MaxLen
    )
    kinds = [type(mark) for mark in _flat(marks) if isinstance(mark, bounds)]
    if len(kinds) > len(set(kinds)):
        yield f"{where}: {marks}"
    for part in get_args(kind):
        if part is not ... and get_origin(kind) is not Literal:
            yield from bounded_twice(f"{where}[]", part, [])


@pytest.mark.parametrize("model", list(_told()), ids=lambda model: model.__name__)
def test_each_number_text_and_list_on_the_wire_has_a_bound(model: type[WireModel]) -> None:
    found = [
        problem
        for name, field in model.model_fields.items()
        for problem in unbounded(f"{model.__name__}.{name}", field.annotation, field.metadata)
    ]
    assert not found


@pytest.mark.parametrize("model", list(_models()), ids=lambda model: model.__name__)
def test_no_bound_on_the_wire_takes_anothers_place(model: type[WireModel]) -> None:
    found = [
        problem
        for name, field in model.model_fields.items()
        for problem in bounded_twice(f"{model.__name__}.{name}", field.annotation, field.metadata)
    ]
    assert not found


class _Twice(WireModel):
    number: Count = Field(ge=1)
    maybe: Annotated[Count, Field(ge=1)] | None
    listed: tuple[Annotated[Name, Field(max_length=10), Field(max_length=20)], ...]


def test_what_is_bounded_twice_is_found() -> None:
    fields = _Twice.model_fields.items()
    found = {n for n, f in fields if list(bounded_twice(n, f.annotation, f.metadata))}
    assert found == set(_Twice.model_fields)


LEAST = [
    (agent_link.ForeignProcesses, "count", 1),
    (agent_link.GpuReport, "suspend_mib_per_s", 1),
    (agent_link.WaitReport, "place", 1),
    (agent_link.Status, "sequence", 0),
    (agent_link.SliceAssignment, "memory_mib", 1),
    (agent_link.SliceAssignment, "root_pid", 1),
    (agent_link.Assignments, "sequence", 0),
    (jobs.JobForecast, "place", 1),
    (jobs.JobInfo, "current_cell", 1),
    (jobs.JobInfo, "gpus", 1),
    (share.SliceHistory, "step_s", 1),
    (share.ResizeRequest, "memory_mib", 1),
    (share.ResizeRequest, "compute_milli", 1),
    (tenant_socket.KernelActivity, "sequence", 0),
    (tenant_socket.ShareProcess, "pid", 1),
]


@pytest.mark.parametrize(
    ("model", "field", "least"), LEAST, ids=[f"{m.__name__}.{name}" for m, name, _ in LEAST]
)
def test_less_than_the_least_is_refused(model: type[WireModel], field: str, least: int) -> None:
    assert _problems(model, field, least) == []
    assert _problems(model, field, least - 1) != []


def _problems(model: type[WireModel], field: str, value: float) -> list[Any]:
    """Return what is wrong with a field; what else is missing does not matter."""
    with pytest.raises(ValidationError) as refused:
        model.model_validate({field: value, "of no field": 0})
    return [each for each in refused.value.errors() if each["loc"][0] == field]


def test_a_time_of_a_cards_policy_is_more_than_none() -> None:
    for name in ("idle_after_s", "give_back_within_s", "turn_s"):
        with pytest.raises(ValidationError, match=name):
            agent_link.GpuAssignment.model_validate({name: 0})


class _Loose(WireModel):
    number: int
    text: str
    maybe: float | None
    listed: tuple[int, ...]
    by_name: dict[str, Any]
    endless: tuple[standing.ToldStanding, ...]


def test_what_has_no_bound_is_found() -> None:
    fields = _Loose.model_fields.items()
    found = {n for n, f in fields if list(unbounded(n, f.annotation, f.metadata))}
    assert found == set(_Loose.model_fields)


GPU = {"gpu_id": "g", "index": 0, "type": "t", "simulated": True, "memory_mib": 1}
EVENT = {"event_id": "e", "at": "2026-11-29T08:00:00Z", "kind": "evicted", "gpu_id": "g"}


@pytest.mark.parametrize(
    ("figure", "huge"),
    [
        *(("energy_mj", huge) for huge in (10**30, 2**63, 2**53, -1, 1e300)),
        *(("temperature_c", huge) for huge in (10**30, 301, -101, 1e300)),
    ],
)
def test_an_agents_counter_that_no_column_holds_is_refused(figure: str, huge: float) -> None:
    status = {
        "type": "status",
        "epoch": 1,
        "sequence": 1,
        "at": "2026-11-29T08:00:00Z",
        "gpus": [{**GPU, figure: huge}],
        "slices": [],
    }
    with pytest.raises(ValidationError, match=figure):
        FROM_AGENT.validate_python(status)


def test_words_that_an_agent_tells_are_cut_where_they_are_too_long() -> None:
    event = AgentEvent.model_validate({**EVENT, "detail": "x" * 5000})
    assert event.detail == "x" * 3999 + "…"
    gpu = GpuReport.model_validate({**GPU, "closed": "y" * 4000})
    assert gpu.closed == "y" * 4000


def test_of_a_very_long_list_that_an_agent_tells_the_first_are_read() -> None:
    told = {
        "slice_id": "s",
        "state": "resident",
        "active": True,
        "since": datetime(2026, 11, 29, tzinfo=UTC),
        "gate_open": True,
        "memory_mib": 0,
        "pids": list(range(1, 5000)),
    }
    assert SliceReport.model_validate(told).pids == tuple(range(1, 1001))


def test_a_refusals_numbers_are_told_as_far_as_a_page_can_hold_them() -> None:
    told = api.Problem(reason="larger-than-gpu", message="no", numbers={"asked_mib": 10**30})
    assert told.numbers == {"asked_mib": 2**53 - 1}


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("root_pid", 1, True),
        ("root_pid", 2**22, True),
        ("root_pid", 0, False),
        ("root_pid", 2**22 + 1, False),
        ("root_pid", 2**31 - 1, False),
        ("root_start_time", 0.0, True),
        ("root_start_time", 1e12, True),
        ("root_start_time", -0.5, False),
        ("root_start_time", 1e300, False),
    ],
)
@pytest.mark.parametrize("model", [api.SliceStarted, agent_link.SliceAssignment])
def test_of_a_first_process_is_taken_what_its_agent_can_be_told(
    model: type[WireModel], name: str, value: float, *, taken: bool
) -> None:
    assert (_problems(model, name, value) == []) is taken


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_that_no_database_takes_is_refused(at: str) -> None:
    with pytest.raises(ValidationError, match="year"):
        AgentEvent.model_validate({**EVENT, "at": at})
