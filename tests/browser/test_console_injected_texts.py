"""Texts that are no plain ones, from whoever can write some, in every view of the console.

The service runs in this process beside a hand-written hub: no real one gives people such names. No
script of theirs runs, none is tried (the page's policy would report it), no element comes of one,
none turns the direction of what others wrote beside it, and what is shown is the text itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from sublet_hub.web.console.bundle import read_bundle
from sublet_quota.life_cycles.slice_states import SliceState

from tests.support.browser import WHY_NO_BROWSER, Visitor, chromium, find_chromium, new_visitor
from tests.support.fake_agent import a_gpu, a_report
from tests.support.hub_world import HubWorld, fake_hub, hub_world, user_scopes
from tests.support.hub_world_runner import write_interpreter, write_script
from tests.support.logged_in import log_in
from tests.support.migrated_ledger import migrated_ledger
from tests.support.past_use import store_past
from tests.support.quota_settings import settings_with

pytestmark = [pytest.mark.end_to_end]

IMAGE: Final = "<img src=x onerror=window.ran=1>"
SCRIPT: Final = "\"'></title></script><script>window.ran=1</script><svg/onload=window.ran=1>"
STEERING: Final = "\x1b[31m\x1b]8;;x\x07\u202etxet\u2066"
ADA: Final = f"ada{IMAGE}\u202e"
BOB: Final = f"bob{IMAGE}"
GROUP: Final = f"nlp{IMAGE}"
HUB_GROUP: Final = f"hub{IMAGE}"
WRITTEN: Final = f"{SCRIPT}{IMAGE} javascript:window.ran=1"
QUOTA: Final = f"""
gpu_types: {{H100: {{match: "*H100*"}}}}  # {WRITTEN}
sizes:
  - {{name: small, title: '{IMAGE}', memory: 10 GiB, compute: 0.25}}
  - {{name: large, title: 'large', memory: 60 GiB, compute: 0.75}}
everyone: {{limit: {{memory: 40 GiB}}}}
groups:
  'nlp{IMAGE}': {{members: ['hub{IMAGE}'], budget: {{hours: 100}}, guaranteed: {{H100: 1/4}}}}
exceptions:
  - {{who: ['{BOB}'], set: {{limit: {{cards: 2}}}}, until: 2099-01-01, why: "{IMAGE}"}}
reservations:
  - {{name: lab, for: 'nlp{IMAGE}', guaranteed: {{H100: 1/4}}, at: "Mon 14:00-16:00"}}
"""
_OF_GROUP: Final = f"of-group={quote(GROUP)}"
VIEWS_OF_ADMINS: Final = (
    "cards",
    f"cards?q={quote(IMAGE)}",
    "waits",
    "use?by=owner",
    "use?week=last",
    "notices",
    "quotas",
    *(f"quotas?part={part}" for part in ("document", "history", "calendar")),
)
VIEWS_OF_GROUP_ADMINS: Final = (
    *(f"quotas?{_OF_GROUP}&part={part}" for part in ("tree", "held", "document", "history")),
    f"use?{_OF_GROUP}",
    f"waits?{_OF_GROUP}",
)
VIEWS_OF_USERS: Final = ("share", "waits", "use?by=kind")
_WATCH: Final = """\
window.reports = [];
document.addEventListener('securitypolicyviolation', report => {
  window.reports.push(`${report.violatedDirective} ${report.blockedURI}`);
});"""
_FOUND: Final = r"""() => ({
  ran: window.ran ?? null,
  reports: window.reports,
  elements: [...document.querySelectorAll('img, script:not([src]), svg[onload], iframe, object')]
    .map(each => each.outerHTML.slice(0, 200)).filter(each => !each.includes('/hub/logo')),
  links: [...document.querySelectorAll('a[href]')]
    .map(each => each.protocol).filter(each => !/^https?:$/.test(each)),
  turned: [...document.querySelectorAll('#console *')]
    .filter(each => getComputedStyle(each).unicodeBidi === 'normal')
    .flatMap(each => [...each.childNodes])
    .filter(each => each.nodeType === Node.TEXT_NODE)
    .map(each => each.data)
    .filter(each => /[\u202a-\u202e\u2066-\u2069]/.test(each)),
})"""
NOTHING: Final = {"ran": None, "reports": [], "elements": [], "links": [], "turned": []}


def in_a_thread(story: Any) -> Any:
    """Run a coroutine apart: the browser of the other tests has the event loop of this thread."""
    with ThreadPoolExecutor(max_workers=1) as apart:
        return apart.submit(asyncio.run, story).result()


@contextlib.asynccontextmanager
async def hostile_world(folder: Path) -> AsyncIterator[HubWorld]:
    """A service in which everything that somebody can name is named to do harm."""
    past = migrated_ledger(folder / "ledger.sqlite")
    store_past(past, {ADA: GROUP, BOB: None}, 12, datetime.now(UTC))
    past.close()
    settings = settings_with(folder, QUOTA)
    async with fake_hub() as hub, hub_world(folder, hub, settings, console=read_bundle()) as world:
        hub.groups = {HUB_GROUP}
        await hold_and_wait(world)
        await tell_and_close(world)
        yield world


async def hold_and_wait(world: HubWorld) -> None:
    """Have ada hold a slice whose agent says odd things, and a job wait; bob is refused."""
    closed = a_gpu("SIM-1", index=1, type=f"H100 {IMAGE}", closed=WRITTEN + STEERING)
    agent = await world.agent(gpus=(a_gpu(lendable_mib=0), closed))
    world.interpreter = write_interpreter(world.folder / "python")
    lease = await world.slice_for(ADA, "", size="small", groups=[HUB_GROUP])
    agent.says[lease["slice_id"]] = a_report(
        lease["slice_id"], state=SliceState.RESIDENT, memory_mib=1024, stays=WRITTEN + STEERING
    )
    await agent.report()
    write_script(world.folder / "homes" / ADA / f"{IMAGE}.ipynb", ["print", "x"])
    job = {"notebook": f"{IMAGE}.ipynb", "memory_mib": 20 * 1024}
    await make(world, "jobs", adas_token(world), job)
    too_much = {"owner": BOB, "server": "", "size": "large", "account": world.account(BOB)}
    status, refused = await world.hub_call("POST", "slices", too_much)
    assert 400 <= status < 500, refused


async def tell_and_close(world: HubWorld) -> None:
    """Have an admin say odd things wherever admins say something."""
    admin = world.admin(f"root{IMAGE}")
    told = {"text": WRITTEN, "audience": "owner", "name": ADA}
    await make(world, "announcements", admin, told)
    await make(world, "closings", admin, {"where": "SIM-0", "reason": WRITTEN})
    text = QUOTA.replace("hours: 100", "hours: 200")
    await make(world, "quota/revisions", admin, {"text": text, "reason": WRITTEN, "expect": 1})


def adas_token(world: HubWorld) -> str:
    return world.hub.add("adas-token", ADA, user_scopes(ADA), (HUB_GROUP,))


async def make(world: HubWorld, path: str, token: str, body: dict[str, Any]) -> None:
    status, answer = await world.call("POST", path, token, body)
    assert status in {200, 201}, (path, answer)


def look(base: str, views: tuple[str, ...], jar: Any) -> None:
    """Open the views one by one, fold out whatever can be, and look what came of the texts."""
    with chromium() as browser:
        visitor = new_visitor(browser, "somebody", base)
        # The hand-written hub has none.
        visitor.expect_complaint("/hub/logo")
        visitor.context.add_init_script(_WATCH)
        visitor.context.add_cookies(
            [{"name": name, "value": each.value, "url": base} for name, each in jar.items()]
        )
        for view in views:
            look_at(visitor, f"{base}view/{view}")
        visitor.context.close()


def look_at(visitor: Visitor, address: str) -> None:
    page = visitor.page
    page.goto(address)
    main = page.get_by_role("main")
    # It is there as a text, whole.
    expect(main.get_by_text(IMAGE).filter(visible=True).first).to_be_visible()
    folded = main.locator("button[aria-expanded=false]:enabled")
    for _ in range(folded.count()):
        folded.first.click()
    found = page.evaluate(_FOUND)
    assert found == NOTHING, address
    assert visitor.unexpected() == [], address


async def seen_by(world: HubWorld, token: str, views: tuple[str, ...]) -> None:
    await asyncio.to_thread(look, world.base, views, await log_in(world, token))


@pytest.mark.skipif(find_chromium() is None, reason=WHY_NO_BROWSER)
@pytest.mark.skipif(read_bundle() is None, reason="the console is not built: make setup")
def test_no_text_is_more_than_a_text_in_any_view(tmp_path: Path) -> None:
    async def story() -> None:
        async with hostile_world(tmp_path) as world:
            await seen_by(world, world.admin(f"root{IMAGE}"), VIEWS_OF_ADMINS)
            await seen_by(world, world.group_admin("lead", HUB_GROUP), VIEWS_OF_GROUP_ADMINS)
            await seen_by(world, adas_token(world), VIEWS_OF_USERS)

    in_a_thread(story())
