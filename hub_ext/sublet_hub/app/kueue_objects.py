"""``python -m sublet_hub.app.kueue_objects``: Kueue's objects from a quota document."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click
import yaml
from sublet_quota.amounts.gpu_amounts import parse_memory
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document

from sublet_hub.jobs.backends.kubernetes.objects.kueue import (
    CardsOfType,
    KueueNames,
    priority_objects,
    queue_objects,
    types_in_groups,
)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quota-file", required=True, type=click.Path(path_type=Path), help="Its path.")
@click.option("--namespace", required=True, help="The namespace of users' pods.")
@click.option("--lent-units", default=0, help="Of sublet.dev/lent; the service keeps it then.")
@click.option(
    "--no-lent-queue", is_flag=True, help="Groups' queues alone: the chart made the other."
)
@click.option(
    "--gpu-memory",
    default=KueueNames("").gpu_memory,
    show_default=True,
    help="The resource by which pods ask for GPU memory in MiB, such as nvidia.com/gpumem.",
)
@click.option(
    "--card",
    "cards",
    multiple=True,
    help="The memory of a card of a GPU type, as H100=80GiB: quotas are in memory; repeatable.",
)
@click.option(
    "--node-label",
    "labels",
    multiple=True,
    help="What marks nodes with cards of a type, as H100=nvidia.com/gpu.family=hopper; repeatable.",
)
@click.option("--priority", "priorities", multiple=True, help="As 10=sublet-high; repeatable.")
def main(  # noqa: PLR0913, PLR0917 - the options
    quota_file: Path,
    namespace: str,
    lent_units: int,
    no_lent_queue: bool,  # noqa: FBT001 - click passes all by name
    gpu_memory: str,
    cards: tuple[str, ...],
    labels: tuple[str, ...],
    priorities: tuple[str, ...],
) -> None:
    """Print the objects as YAML."""
    try:
        document = read_quota_document(quota_file.read_bytes())
        types = _types(document, cards, labels)
        classes = [(int(least), name) for least, _, name in (p.partition("=") for p in priorities)]
    except (OSError, QuotaDocumentError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    names = KueueNames(namespace, gpu_memory=gpu_memory)
    if no_lent_queue:
        names = replace(names, lent_queue="")
    objects = [
        *queue_objects(document, names, lent_units, types),
        *priority_objects(classes),
    ]
    click.echo(yaml.safe_dump_all(objects, sort_keys=False))


def _types(
    document: QuotaDocument, cards: tuple[str, ...], labels: tuple[str, ...]
) -> Mapping[str, CardsOfType]:
    """Return what was told of GPU types. ``ValueError`` where that is not enough, or wrong."""
    marks: dict[str, list[tuple[str, str]]] = {}
    for told in labels:
        gpu_type, _, label = told.partition("=")
        key, _, value = label.partition("=")
        marks.setdefault(gpu_type, []).append((key, value))
    types = {
        gpu_type: CardsOfType(parse_memory(memory), tuple(marks.get(gpu_type, ())))
        for gpu_type, _, memory in (each.partition("=") for each in cards)
    }
    needed = types_in_groups(document)
    missing = sorted(needed - types.keys())
    if missing:
        message = (
            f"say how much memory a card has: {' '.join(f'--card {n}=80GiB' for n in missing)}"
        )
        raise ValueError(message)
    return types


if __name__ == "__main__":
    main(prog_name="sublet_hub.app.kueue_objects")
