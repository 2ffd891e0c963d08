"""Why something is refused, in words: every code has its own, and nobody else is named."""

import pkgutil
from fractions import Fraction
from importlib import import_module

import pytest
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.errors import ReasonError
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons import refusals
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.reasons.helping import ADMIN, Help, HelpKind, helping_sentence
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.reasons.refusals.facts import Fact, Holder
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.reasons.refusals.notebooks import NotebookRefusal
from sublet_quota.reasons.refusals.refuse import HELPS, WAITS_FOR, RefusalCode, facts_of, refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.refusals.sizes import SizeRefusal

for module in pkgutil.iter_modules(refusals.__path__, f"{refusals.__name__}."):
    import_module(module.name)
CODES = [code for subject in RefusalCode.__subclasses__() for code in subject]

OF_WHO_ASKED: dict[str, Fact] = {
    "owner": "ada",
    "account": "ada",
    "uid": 999,
    "least_uid": 1000,
    "group": "physics",
    "payer": "physics",
    "holder": Holder("physics"),
    "whose": "physics",
    "home_user": "your server",
}
"""All that tells of persons: the one who is refused, their group, what has their files."""
NAMES: dict[str, Fact] = {
    "allowed": ("size", "pool"),
    "asked_group": "phsics",
    "asked_path": "../data",
    "asked_pool": "wolrd",
    "asked_size": "smal",
    "asked_type": "V100",
    "declared": ("epochs", "rate"),
    "gpu_type": "H100",
    "groups_to_choose": ("physics", "chemistry"),
    "line": DocumentLine("groups.physics.limit", 7),
    "kernel": "julia-1.11",
    "key": "size",
    "keys": ("'siez'",),
    "nearest": "small",
    "node": "node-a",
    "offered": ("small", "large"),
    "again_at": "2026-12-01 00:00 UTC",
    "parameter": "epochs",
    "path": "train.ipynb",
    "pool": "world",
    "pools": ("world", "lab"),
    "profiles": ("1g.10gb",),
    "size": "small",
    "size_pool": "lab",
    "size_types": ("L4", "A10"),
    "told": "line 3 is no JSON",
    "type": "int",
    "types": ("A100", "H100"),
    "value": "many",
    "variable": "HF_TOKEN",
    "why_closed": ("it is cordoned",),
}
NUMBERS = {
    "asked", "asked_gpus", "asked_mib", "asked_milli", "asked_min", "asked_s", "closed_gpus",
    "budget_minutes", "free", "host_free_mib", "host_mib", "limit_gpus", "most_s",
    "free_mib", "free_milli", "gpu", "held_mib", "jobs", "kept_mib", "kept_milli", "largest",
    "largest_mib", "left_min", "limit_kib", "limit_mib", "limit_milli", "most", "most_characters",
    "most_gpus", "most_jobs", "most_letters", "most_min", "most_slices", "most_variables", "slices",
    "node_cpu_milli", "node_mib", "takes_cpu_milli", "takes_mib", "times", "too_little", "used_mib",
    "used_milli", "variables",
}  # fmt: skip
CARDS = {
    "asked_cards": 2, "guaranteed_cards": 5, "held_cards": 3, "limit_cards": 4, "share_cards": 6,
}  # fmt: skip
TOLD_TO_PROGRAMS_ALONE = {
    JobRefusal.GOING_FIRST: {"most"},
    JobRefusal.SEVERAL_GPUS_ON_MACHINE: {"most_gpus"},
    JobRefusal.SEVERAL_GPUS_WITHOUT_KUEUE: {"most_gpus"},
    RoomRefusal.NO_OPEN_GPU_AT_HOME: {"asked", "free"},
}


def sample(code: RefusalCode) -> dict[str, Fact]:
    """A fact for each name; a name that is not known above has none."""
    cards = {name: Fraction(number) for name, number in CARDS.items()}
    known = OF_WHO_ASKED | NAMES | dict.fromkeys(NUMBERS, 7) | cards
    return {name: known[name] for name in facts_of(code) - {HELPS, WAITS_FOR}}


def told(code: RefusalCode) -> Refusal:
    """A refusal of a code, with what would help and who is in the way where it tells these."""
    facts = facts_of(code)
    return refuse(
        code,
        helps=ADMIN if HELPS in facts else (),
        waits_for=(GroupName("biology"), None) if WAITS_FOR in facts else (),
        **sample(code),
    )


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_told_with_its_facts_and_of_nobody_else(code: RefusalCode) -> None:
    refusal = told(code)
    assert refusal.reason is code.value.reason
    assert "{" not in refusal.message.replace("{}", "")
    for name, value in sample(code).items():
        if name not in TOLD_TO_PROGRAMS_ALONE.get(code, ()):
            each = value if isinstance(value, tuple) else (value,)
            assert all(str(one) in refusal.message for one in each), name
    assert refusal.numbers.keys() <= NUMBERS | {
        f"{name.removesuffix('_cards')}_millicards" for name in CARDS
    }
    assert ("Ask an administrator." in refusal.message) or HELPS not in facts_of(code)
    assert ("'biology', users without a group" in refusal.message) is (WAITS_FOR in facts_of(code))


def test_no_two_codes_are_told_alike() -> None:
    assert len({code.value for code in CODES}) == len(CODES)


def test_every_coarse_reason_has_a_code() -> None:
    assert {code.value.reason for code in CODES} == set(RefusalReason)


def test_a_refusal_has_the_facts_of_its_code_and_no_others() -> None:
    with pytest.raises(ReasonError, match=r"needs \['jobs', .*, and was given \['jobs'\]"):
        refuse(LimitRefusal.JOBS, jobs=3)
    with pytest.raises(ReasonError, match="was given"):
        refuse(JobRefusal.NO_GPU, gpu_type="H100")
    with pytest.raises(ReasonError, match="give a number or an amount"):
        refuse(LimitRefusal.JOBS, owner="ada", jobs="three", most_jobs=2)


def test_an_amount_is_told_in_words_and_in_numbers() -> None:
    asked, free = GpuAmount(40 * 1024, 500), GpuAmount(1536, 250)
    refusal = refuse(RoomRefusal.NO_ROOM_TO_GROW, asked=asked, free=free, helps=ADMIN)
    assert refusal.message.startswith(
        "Your GPU has no room for 40 GiB, 0.5 GPU: a slice there can have 1.5 GiB, 0.25 GPU now."
    )
    assert refusal.numbers == {
        "asked_mib": 40 * 1024,
        "asked_milli": 500,
        "free_mib": 1536,
        "free_milli": 250,
    }


@pytest.mark.parametrize(
    ("code", "facts", "told"),
    [
        (
            SizeRefusal.UNKNOWN_SIZE,
            {"asked_size": "smal\n", "nearest": "small", "offered": ("small",)},
            r"There is no size 'smal\n' (did you mean 'small'?). Pick one of: small.",
        ),
        (
            SizeRefusal.UNKNOWN_SIZE,
            {"asked_size": "x" * 100, "nearest": "", "offered": ()},
            f"There is no size '{'x' * 57}...'. Ask an administrator for a size.",
        ),
        (
            SizeRefusal.UNKNOWN_POOL,
            {"asked_pool": "z", "nearest": "", "pools": ("p",) * 21},
            f"There is no pool 'z'. Pick one of: {'p, ' * 20}....",
        ),
        (
            SizeRefusal.MEMORY_TOO_LITTLE,
            {"too_little": -(10**9)},
            "memory is less than nothing: ask for 1 MiB or more.",
        ),
        (
            RoomRefusal.GPUS_CLOSED,
            {
                "pool": "world",
                "closed_gpus": 1,
                "why_closed": ("a", "b", "c", "d"),
                "helps": (Help(HelpKind.LATER),),
            },
            "In pool 'world' the only GPU is closed to new slices: a; b; c; .... Try again later.",
        ),
        (
            LimitRefusal.GROUP_SLICES,
            {
                "group": "physics",
                "slices": 1,
                "most_slices": 1,
                "line": DocumentLine("groups.physics.limit.slices", 3),
                "helps": (Help(HelpKind.MEMBERS_STOP, ("physics",)),),
            },
            (
                "Group 'physics' has 1 slice and may have 1 (groups.physics.limit.slices, line 3). "
                "Wait until members of physics stop servers."
            ),
        ),
        (
            JobRefusal.TOO_FEW_GPUS,
            {"asked_gpus": 2, "most_gpus": 1},
            (
                "The job asks for 2 GPUs, each another, and there is 1 that it could use. "
                "Ask for fewer."
            ),
        ),
        (
            NotebookRefusal.PARAMETER_OF_OTHER_TYPE,
            {"parameter": "n", "type": "int", "value": [1, "{2}"]},
            "the parameter 'n' is a int in the notebook, and cannot be [1, '{2}']",
        ),
        (NotebookRefusal.FILES_FOUND_BAD, {"told": "x" * 9000}, "x" * 2000),
    ],
)
def test_facts_are_written_by_their_names(code: RefusalCode, facts: dict, told: str) -> None:
    assert refuse(code, **facts).message == told


@pytest.mark.parametrize(
    ("cards", "written"),
    [(0, "0 cards"), ("1/4", "0.25 cards"), (1, "1 card"), ("5/2", "2.5 cards")],
)
def test_cards_are_written_as_rights_write_them(cards: int | str, written: str) -> None:
    facts = sample(LimitRefusal.USER_CARDS) | {"held_cards": Fraction(cards)}
    refusal = refuse(LimitRefusal.USER_CARDS, helps=ADMIN, **facts)
    assert f"'ada' has {written} and may have 4 cards" in refusal.message
    assert refusal.numbers["held_millicards"] == Fraction(cards) * 1000


def test_what_would_help_is_one_sentence_of_all_of_it() -> None:
    helps = (
        Help(HelpKind.OTHER_SIZE, ("small", "large")),
        Help(HelpKind.STOP_ONE),
        Help(HelpKind.SOMEBODY_STOPS),
    )
    assert helping_sentence(helps) == (
        "Pick another size (small, large), stop another server of yours, or wait until somebody "
        "stops a server."
    )
