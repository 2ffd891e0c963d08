"""How many persons asked for each size is read of what was held and of what was refused."""

from datetime import datetime, timedelta
from pathlib import Path

from sublet_hub.ledger.asked_sizes import AskedSizes
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.recorded import AskRecord, Happened, RecordedStore
from sublet_hub.ledger.refusals import RefusalRecord, RefusalStore
from sublet_quota.amounts.node_amounts import NodeAmount, NodeNeed
from sublet_quota.holdings.node_rooms import AskedBeside
from sublet_quota.residency.snapshot import Holder

from tests.support.metric_world import MetricWorld, metric_world


def refused(world: MetricWorld, owner: str, size: str | None, **values: object) -> RefusalRecord:
    facts: dict = {
        "refusal_id": f"{owner}-{size}",
        "alike": f"{owner}-{size}",
        "owner": owner,
        "holder": Holder.NOTEBOOK.value,
        "groups": (),
        "size": size,
        "memory_mib": None,
        "compute_milli": None,
        "gpus": None,
        "gpu_type": None,
        "pool": None,
        "code": "no-room",
        "numbers": {},
        "message": "no room",
        "times": 1000,
        "first_at": world.now,
        "last_at": world.now,
    }
    return RefusalRecord(**{**facts, **values})


def test_each_person_counts_once_for_a_size_however_often_they_ask(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        database: Database = world.ledger._database
        world.cards(2)
        world.hold("s0", owner="ada", size="half")
        world.hold("s1", owner="ada", size="half")
        world.hold("s2", owner="bob", size="half")
        world.hold("own", owner="eve", size=None)
        world.hold("job", owner="eve", size="whole", holder=Holder.JOB)
        RefusalStore(database).add(
            [
                refused(world, "ada", "half"),
                refused(world, "zoe", "half"),
                refused(world, "zoe", "whole"),
                refused(world, "zoe", None),
                refused(world, "mia", "quarter", holder=Holder.JOB.value),
            ]
        )
        asked = AskedSizes(database)
        assert asked.since(world.now - timedelta(days=1)) == {"half": 3, "whole": 1}


def test_what_ended_and_was_refused_before_counts_no_more(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        database: Database = world.ledger._database
        world.cards(1)
        world.hold("s0", owner="ada", size="half")
        world.hold("s1", owner="bob", size="quarter")
        RefusalStore(database).add([refused(world, "zoe", "whole")])
        world.release("s0")
        world.pass_time(timedelta(days=20))
        assert AskedSizes(database).since(world.now - timedelta(days=14)) == {"quarter": 1}


def ask(owner: str, size: str, cpu: int | None, at: datetime, of_cap: int = 1000) -> AskRecord:
    return AskRecord(
        ask_id=f"{owner}-{size}-{cpu}",
        owner=owner,
        server="",
        groups=(),
        group=None,
        size=size,
        memory_mib=None,
        compute_milli=None,
        gpu_type=None,
        never_suspended=False,
        answer="granted",
        slice_id=None,
        at=at,
        last_at=at,
        takes_cpu_milli=cpu,
        takes_memory_mib=None if cpu is None else 4096,
        takes_of_cap_milli=None if cpu is None else of_cap,
    )


def test_what_was_asked_of_nodes_besides_is_read_of_what_is_recorded(tmp_path: Path) -> None:
    with metric_world(tmp_path) as world:
        database: Database = world.ledger._database
        asked, since = AskedSizes(database), world.now - timedelta(days=14)
        world.cards(1)
        world.hold("s0", owner="ada", size="half")
        world.hold("s1", owner="ada", size="quarter")
        assert asked.beside_since(since) == {}
        asks = (
            ask("ada", "half", 2000, world.now),
            ask("bob", "half", 2000, world.now),
            ask("eve", "half", 500, world.now),
            ask("zoe", "half", None, world.now),
            ask("old", "whole", 500, world.now - timedelta(days=20)),
        )
        RecordedStore(database).add(Happened(asks=asks))
        much, little = (NodeNeed(NodeAmount(cpu, 4096), 1000) for cpu in (2000, 500))
        assert asked.beside_since(since) == {
            AskedBeside("half", 1, much): 2,
            AskedBeside("half", 1, little): 1,
            AskedBeside("quarter"): 1,
        }
