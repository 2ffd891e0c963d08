"""The table that the demo ends with."""

from rich.console import Console
from rich.table import Table

from sublet_hub.one_machine.demo.record import Record


def print_report(record: Record, console: Console) -> None:
    """Print the waits at each give-back, where the GPU's time went, and what was lost."""
    table = Table(title="Give-backs", title_justify="left")
    for name in ("owner", "training was", "training stopped after", "owner's wait", "moved"):
        table.add_column(name, justify="left" if name in ("owner", "training was") else "right")
    for each in record.give_backs:
        stopped = each.training_stopped_after_s
        table.add_row(
            each.owner,
            each.training_was,
            "-" if stopped is None else f"{stopped * 1000:.0f} ms",
            f"{each.wait_s:.2f} s",
            f"{each.moved_mib / 1024:.1f} GiB",
        )
    console.print(table)
    times = record.facts.get("gpu_seconds")
    if times is None:
        console.print(
            "GPU time: not told (no use was seen, or the driver does not tell whose it is)"
        )
    else:
        share = Table(title="GPU time", title_justify="left")
        share.add_column("who")
        share.add_column("seconds", justify="right")
        share.add_column("share", justify="right")
        for who in ("owners", "training", "idle"):
            share.add_row(who, f"{times[who]:.1f}", f"{times[who] / times['whole']:.0%}")
        console.print(share)
    if record.wrong:
        console.print(f"lost or wrong: {len(record.wrong)}", style="bold red")
        for what in record.wrong:
            console.print(f"  - {what}", markup=False)
    else:
        console.print("lost or wrong: nothing", style="bold")
