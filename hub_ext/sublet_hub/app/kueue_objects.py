"""``python -m sublet_hub.app.kueue_objects``: Kueue's objects from a quota document."""

from dataclasses import replace
from pathlib import Path

import click
import yaml
from sublet_quota.document.problems import QuotaDocumentError
from sublet_quota.document.reading import read_quota_document

from sublet_hub.jobs.backends.kubernetes.objects.kueue import (
    KueueNames,
    priority_objects,
    queue_objects,
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
@click.option("--priority", "priorities", multiple=True, help="As 10=sublet-high; repeatable.")
def main(  # noqa: PLR0913, PLR0917 - the options
    quota_file: Path,
    namespace: str,
    lent_units: int,
    no_lent_queue: bool,  # noqa: FBT001 - click passes all by name
    gpu_memory: str,
    priorities: tuple[str, ...],
) -> None:
    """Print the objects as YAML."""
    try:
        document = read_quota_document(quota_file.read_bytes())
        classes = [(int(least), name) for least, _, name in (p.partition("=") for p in priorities)]
    except (OSError, QuotaDocumentError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    names = KueueNames(namespace, gpu_memory=gpu_memory)
    if no_lent_queue:
        names = replace(names, lent_queue="")
    objects = [
        *queue_objects(document, names, lent_units),
        *priority_objects(classes),
    ]
    click.echo(yaml.safe_dump_all(objects, sort_keys=False))


if __name__ == "__main__":
    main(prog_name="sublet_hub.app.kueue_objects")
