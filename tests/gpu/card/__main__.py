"""``make card``: probe, tests, figures and demo on a card, part by part, into one report.

A part that has its result is not run again (``--again`` does), so it may be called as often as the
machine is there for a while. Each part leaves ``PART/result.json``, and all are joined to
``report.json`` and ``report.html``.
"""

import argparse
import contextlib
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.gpu.card.machine import describe_machine, why_no_card
from tests.gpu.card.page import make_page
from tests.gpu.card.parts import MOST_S, PARTS, Context, Part, chosen
from tests.gpu.card.progress import shown
from tests.gpu.card.results import (
    Result,
    Status,
    collect,
    read_result,
    write_report,
    write_result,
)
from tests.gpu.card.running import run_within


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make card", description=__doc__)
    parser.add_argument("--device", choices=["auto", "nvidia", "simulated"], default="auto")
    parser.add_argument("--report", type=Path, default=Path("card-report"))
    parser.add_argument("--parts", default="", help=" ".join(part.name for part in PARTS))
    parser.add_argument("--limit-s", type=float, default=MOST_S, help="the most a part may take")
    parser.add_argument("--again", action="store_true", help="also what has its result")
    return parser.parse_args(arguments)


def run_part(part: Part, context: Context, limit_s: float) -> Result:
    """Run a part, and keep what it has seen."""
    folder = context.folder(part.name)
    folder.mkdir(parents=True, exist_ok=True)
    limit_s = min(limit_s, part.limit_s)
    began_at = datetime.now(UTC).isoformat(timespec="seconds")
    command = part.command(context, folder)
    environment = {
        "SUBLET_GPU_DEVICE": context.device,
        "SUBLET_CARD_LIMIT_S": str(limit_s),
        "PYTHONUNBUFFERED": "1",  # who watches the file sees what is said when it is said
    }
    output = folder / "output.txt"
    output.unlink(missing_ok=True)
    print(f"{part.name}: {part.title} ({limit_s:.0f} s at most; tail -f {output})", flush=True)
    with shown(output, _tell) if part.shown else contextlib.nullcontext():
        run = run_within(command, output, limit_s, environment)
    status = Status.FAILED if run.exit_code else Status.PASSED
    result = Result(
        **collect(part, folder),
        status=Status.STOPPED if run.stopped else status,
        device=context.device,
        began_at=began_at,
        took_s=round(run.took_s, 3),
        limit_s=limit_s,
        exit_code=run.exit_code,
        processes_left=run.left,
        command=command,
    )
    write_result(context.report, result)
    return result


def main(arguments: list[str] | None = None, parts: Sequence[Part] = PARTS) -> int:
    """Run what has no result yet; the exit code is 0 where every chosen part passed."""
    options = read_options(arguments)
    device = "nvidia" if options.device == "auto" else options.device
    missing = why_no_card() if device == "nvidia" else None
    if missing is not None:
        print(
            f"No card: {missing}. `make card` needs a machine with an NVIDIA card and its driver; "
            "`make card DEVICE=simulated` tries the parts on a simulated one, and proves nothing "
            "about cards.",
            file=sys.stderr,
        )
        return 1
    context = Context(device, options.report.resolve())
    try:
        wanted = chosen(options.parts, context, parts)
    except ValueError as error:
        print(f"{error}.", file=sys.stderr)
        return 2
    context.report.mkdir(parents=True, exist_ok=True)
    machine = describe_machine(device)
    results = []
    for part in wanted:
        result = read_result(context.report, part.name)
        if (
            result is None
            or result.status is Status.STOPPED
            or result.device != device
            or options.again
        ):
            if options.again or (result is not None and result.device != device):
                shutil.rmtree(context.folder(part.name), ignore_errors=True)
            result = run_part(part, context, options.limit_s)
        results.append(result)
        print(f"{part.name}: {in_words(result)}", flush=True)
        # After each: who takes the machine away loses nothing.
        told = write_report(context.report, machine, [each.name for each in parts])
        (context.report / "report.html").write_text(make_page(told), encoding="utf-8")
    print(f"report: {context.report / 'report.html'}, {context.report / 'report.json'}")
    return 0 if all(each.status is Status.PASSED for each in results) else 1


def _tell(line: str) -> None:
    print(f"  {line}", flush=True)


def in_words(result: Result) -> str:
    """Return one line about how a part went."""
    took = f"{result.took_s:.0f} s"
    match result.status:
        case Status.PASSED:
            return f"passed ({took})"
        case Status.STOPPED:
            return f"stopped after its {result.limit_s:.0f} s; what it had is kept: call again"
        case Status.FAILED:
            return f"FAILED with exit code {result.exit_code} ({took})\n{result.output[-1500:]}"


if __name__ == "__main__":
    sys.exit(main())
