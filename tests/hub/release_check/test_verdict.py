"""How long `helm test` waits before it tells what is wrong, and what it says where nothing is."""

from sublet_hub.release_check.verdict import Patience, praise
from sublet_quota.reasons.installation.faults import Fault, Finding

from tests.support.releases import health, release


def a(fault: Fault) -> Finding:
    return Finding(fault, "words")


def test_what_does_not_mend_itself_is_told_within_seconds() -> None:
    patience = Patience()
    assert not patience.look((a(Fault.RUNTIME_CLASS),), 100)
    assert not patience.look((a(Fault.RUNTIME_CLASS),), 109)
    assert patience.look((a(Fault.RUNTIME_CLASS),), 110)


def test_pods_have_minutes_to_start() -> None:
    patience = Patience()
    assert not patience.look((a(Fault.STARTING),), 0)
    assert not patience.look((a(Fault.STARTING),), 149)
    assert patience.look((a(Fault.STARTING),), 150)


def test_what_was_gone_meanwhile_begins_anew() -> None:
    patience = Patience()
    patience.look((a(Fault.NO_ROUTE),), 0)
    patience.look((), 20)
    assert not patience.look((a(Fault.NO_ROUTE),), 25)
    assert not patience.look((a(Fault.NO_ROUTE),), 54)
    assert patience.look((a(Fault.NO_ROUTE),), 55)


def test_one_that_lasts_is_told_though_another_has_just_begun() -> None:
    patience = Patience()
    patience.look((a(Fault.NO_NODE),), 0)
    assert patience.look((a(Fault.STARTING), a(Fault.NO_NODE)), 10)


def test_only_pods_that_start_and_trials_are_waited_for_longer_than_half_a_minute() -> None:
    waits = {fault for fault in Fault if fault.value.patience_s > 30}
    assert waits == {Fault.STARTING, Fault.UNSCHEDULABLE, Fault.BEING_CHECKED}


def test_a_release_that_works_is_praised_with_what_was_seen() -> None:
    assert praise(release(), health()) == "Sublet works. 2 agents with 4 GPUs."
    assert praise(release(), health(agents=1, cards=1)) == "Sublet works. 1 agent with 1 GPU."


def test_a_card_that_is_not_fit_is_a_remark() -> None:
    said = praise(release(), health(unfit_cards=1, unfit={"split": 1}))
    assert said.startswith("Sublet works. 2 agents with 4 GPUs. Not fit to be lent: 1: it is split")


def test_simulated_gpus_are_called_so() -> None:
    settings = release()
    assert settings.agents is not None
    agents = settings.agents.model_copy(update={"simulated": True})
    said = praise(settings.model_copy(update={"agents": agents}), health())
    assert said.endswith("The GPUs are SIMULATED.")
