"""What must hold at each step of a closed loop: ``watched`` runs one to its end."""

from collections.abc import Iterable

from sublet_quota.closed_loop.asks.asked import Asked, AskedServer
from sublet_quota.closed_loop.card.slice_on_card import SliceOnCard
from sublet_quota.closed_loop.card_model import CardModel
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.residency.snapshot import Rank


def watched(scene: Scenario | Cluster) -> Record:
    """What happened; each rule held at each step. (What a card must never do raises there.)"""
    cluster = scene if isinstance(scene, Cluster) else Cluster(scene)
    notebooks: set[str] = set()
    seen: tuple[int, ...] = ()
    while cluster.step():
        record, holdings = cluster.record, cluster.holdings
        for model in cluster.cards.models.values():
            assert not _stand_still(model), f"jobs stand still on {model.facts.gpu_id}"
            assert not _run_though_held_back(model), f"jobs run on on {model.facts.gpu_id}"
        changes = (
            record.answers,
            record.places,
            record.servers_left,
            record.ended_idle,
            record.lost_with_cards,
        )
        before, seen = seen, (id(holdings.document), *map(len, changes))
        if before == seen:
            continue
        now = {each.slice_id for each in holdings.slices() if each.is_notebook}
        known = {*record.servers_left, *record.ended_idle, *record.lost_with_cards}
        ended = notebooks - now - known
        assert not ended, f"{ended} ended, and their owners had not left"
        notebooks = now
        away = [each.slice_id for each in holdings.slices() if each.called_back]
        displaced = [each for each in away if holdings.rank(each) is Rank.ENTITLED]
        assert not displaced, f"{displaced} are entitled, and were called back"
    record = cluster.finish()
    started = {each.name for each in record.answers if each.rank is not None}
    _nobody_is_overtaken(record, cluster.asked)
    gone = {*record.servers_left, *record.ended_idle, *record.lost_with_cards}
    assert started == notebooks | gone
    return record


def _nobody_is_overtaken(record: Record, asked: Iterable[Asked]) -> None:
    """Nobody is left behind in line by who was behind, or came later, and asks for the same."""
    wishes = {
        each.name: (each.groups, each.size, each.cards, each.gpu_type)
        for each in asked
        if isinstance(each, AskedServer)
    }
    waited = {each.name: each for each in record.line}
    for turn in record.line:
        behind = [name for name in turn.passed if wishes[name] == wishes[turn.name]]
        assert not behind, f"{turn.name} has its place before {behind}"
    for answer in record.answers:
        if answer.rank is None or answer.name in waited:
            continue
        behind = [
            other.name
            for other in record.line
            if other.since < answer.at < other.until
            and wishes[other.name] == wishes[answer.name]
            and other.rank is not None
            and other.rank <= answer.rank
        ]
        assert not behind, f"{answer.name} came later, and has its place before {behind}"


def _stand_still(model: CardModel) -> bool:
    """Whether all jobs of a card stand still though no owner works there and nothing moves.

    Those that are held back below a limit have to, and where room is reserved they may.
    """
    if model.reserved_mib > 0 or model.facts.closed_for_good:
        return False
    jobs = [each for each in model.slices.values() if each.is_job and not each.held_back]
    works = any(each.active for each in model.slices.values() if not each.is_job)
    return bool(jobs) and not works and model.move is None and not any(map(_goes_on, jobs))


def _goes_on(job: SliceOnCard) -> bool:
    """Whether a job computes, or would if its other cards were ready, too."""
    return job.could_run or (bool(job.together) and job.is_ready)


def _run_though_held_back(model: CardModel) -> bool:
    """Whether a job runs of which a slice has taken the place below a limit."""
    return any(each.held_back and each.gate_open for each in model.slices.values())
