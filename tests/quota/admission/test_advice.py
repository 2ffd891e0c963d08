"""What a refusal advises helps: followed in the model, the same wish is granted."""

from dataclasses import replace

from hypothesis import given, settings
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.helping import Help, HelpKind
from sublet_quota.reasons.refusal import Refusal

from tests.quota.admission.any_hub import AnyHub, any_hub
from tests.quota.admission.test_guarantees import walk
from tests.support.admission_cases import PARTS, SmallHub
from tests.support.quota_cases import gpu

EXAMPLES = 30


def copy_of(hub: SmallHub) -> SmallHub:
    """The same hub, to follow an advice in."""
    held = hub.holdings
    return SmallHub(
        Holdings(held.document, held.gpus(), held.slices(), entitled=held.lasting_steps())
    )


def followed(hub: SmallHub, wish: RequestedSlice, advice: Help) -> list[Placement | Refusal]:
    """What the wish gets once the advice is followed, in each way in which it can be."""
    match advice.kind:
        case HelpKind.OTHER_SIZE:
            return [decide_slice(hub.holdings, replace(wish, size=name)) for name in advice.names]
        case HelpKind.OTHER_GROUP:
            return [decide_slice(hub.holdings, replace(wish, group=name)) for name in advice.names]
        case HelpKind.LESS:
            assert advice.amount is not None
            return [
                decide_slice(
                    hub.holdings,
                    replace(
                        wish,
                        memory_mib=advice.amount.memory_mib,
                        compute_milli=advice.amount.compute_milli,
                    ),
                )
            ]
        case _:
            return [without(hub, wish, advice)]


def without(hub: SmallHub, wish: RequestedSlice, advice: Help) -> Placement | Refusal:
    """What the wish gets once servers have stopped."""
    slices = list(hub.holdings.slices())
    own = [one.slice_id for one in slices if one.owner == wish.owner]
    others = [one for one in slices if one.owner != wish.owner]
    match advice.kind:
        case HelpKind.STOP_ONE:
            answers = [after(hub, wish, one) for one in own]
            return next((one for one in answers if isinstance(one, Placement)), answers[0])
        case HelpKind.STOP_ALL:
            return after(hub, wish, *own)
        case HelpKind.MEMBERS_STOP:
            members = [one.slice_id for one in others if one.group in advice.names]
            assert members
            return after(hub, wish, *members)
        case HelpKind.SOMEBODY_STOPS:
            assert others
            return after(hub, wish, *(one.slice_id for one in others))
        case kind:
            raise AssertionError(kind)


def after(hub: SmallHub, wish: RequestedSlice, *stopped: str) -> Placement | Refusal:
    then = copy_of(hub)
    then.end(*stopped)
    return decide_slice(then.holdings, wish)


@given(any_hub(unsuspendable=True, owners=4))
@settings(max_examples=EXAMPLES, deadline=None)
def test_every_advice_helps(any_one: AnyHub) -> None:
    for hub, wish, _ in walk(any_one):
        answer = decide_slice(hub.holdings, wish)
        if isinstance(answer, Placement):
            continue
        assert answer.helps
        for advice in answer.helps:
            if advice.kind is HelpKind.ADMIN:
                assert answer.helps == (advice,), "an administrator is asked where nothing helps"
                continue
            for then in followed(hub, wish, advice):
                assert isinstance(then, Placement), (advice, answer, then)


def test_who_is_in_a_limit_s_way_on_a_card_that_is_gone_may_stop() -> None:
    text = PARTS + "groups: {lab: {limit: {cards: 1}}}\n"
    hub = SmallHub.under(text, gpu("a"), gpu("b", index=1))
    assert isinstance(hub.ask("ben", "lab", size="whole"), Placement)
    (his,) = hub.holdings.slices()
    hub.holdings.remove_gpu(his.gpu_id)
    refused = hub.ask("ada", "lab", size="whole")
    assert isinstance(refused, Refusal)
    assert HelpKind.MEMBERS_STOP in {each.kind for each in refused.helps}
