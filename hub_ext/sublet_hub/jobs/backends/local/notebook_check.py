"""Looks at a notebook as its owner, before a job of it is taken.

A subprocess under the owner's account reads the file: what the owner cannot read, nobody reads
for them. The path is theirs to choose, but lies below their notebook folder.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from pydantic import ValidationError
from sublet_quota.log_lines.log_text import quote_foreign
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.notebooks import NotebookRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.api import AccountTemplate

from sublet_hub.errors import NotebookError
from sublet_hub.host.owner_process import MOST_OUTPUT, Answer, TooMuchError, run_as_owner
from sublet_hub.jobs.notebook import NotebookFacts, NotebookPath

_LOG = logging.getLogger(__name__)
_BAD_NOTEBOOK = 3
_RUNNER = ("-P", "-s", "-m", "sublet_lab.runner")
"""The runner's arguments, without what owners have installed: only the job has that."""


async def inspect_notebook(
    account: AccountTemplate, path: NotebookPath, within: timedelta
) -> NotebookFacts | Refusal:
    """Return what the runner, as the owner, finds in the notebook, or why it cannot be a job.

    ``NotebookError`` where the runner itself does not work.
    """
    command = [account.python, *_RUNNER, "check", "--notebook", path.absolute]
    try:
        answer = await run_as_owner(account, command, within)
    except TooMuchError:
        limit_kib = MOST_OUTPUT // 1024
        return refuse(NotebookRefusal.PARAMETERS_TOO_LARGE, path=path.relative, limit_kib=limit_kib)
    code = answer.code
    if code == _BAD_NOTEBOOK:
        told = _last_line(answer)
        if not told:
            return refuse(NotebookRefusal.NOT_READ, path=path.relative)
        return refuse(NotebookRefusal.FOUND_BAD, path=path.relative, told=told)
    facts = _read_facts(answer.output) if code == 0 else None
    if facts is None:
        _log_failure("check a notebook", account, answer)
        message = (
            f"{path.relative} could not be checked: {account.python} -m sublet_lab.runner failed "
            f"with exit status {code}: is Sublet installed there?"
        )
        raise NotebookError(message)
    if not facts.kernel_installed:
        return refuse(NotebookRefusal.KERNEL_NOT_INSTALLED, path=path.relative, kernel=facts.kernel)
    return facts


def _log_failure(what: str, account: AccountTemplate, answer: Answer) -> None:
    said = quote_foreign(answer.errors) if answer.errors.strip() else "nothing"
    _LOG.warning(
        "the runner, under the account %d, could not %s (exit %d); its errors, in its words: %s",
        account.uid,
        what,
        answer.code,
        said,
    )


def _last_line(answer: Answer) -> str:
    lines = answer.errors.strip().splitlines() or answer.output.strip().splitlines()
    return lines[-1] if lines else ""


def _read_facts(output: str) -> NotebookFacts | None:
    try:
        return NotebookFacts.model_validate_json(output)
    except ValidationError:
        return None


async def take_along(
    account: AccountTemplate, path: NotebookPath, taken: Sequence[str], to: str, within: timedelta
) -> Refusal | None:
    """Copy the notebook and files beside it, as the owner; return why not, where that cannot be.

    ``NotebookError`` where the runner itself does not work.
    """
    command = [account.python, *_RUNNER, "take"]
    command += ["--notebook", path.absolute, "--to", to]
    for name in taken:
        command += ["--path", name]
    message = "the files could not be copied: the runner "
    try:
        answer = await run_as_owner(account, command, within)
    except TooMuchError:
        raise NotebookError(message + "said too much") from None
    code = answer.code
    if code == _BAD_NOTEBOOK:
        told = _last_line(answer)
        if not told:
            return refuse(NotebookRefusal.FILES_NOT_TAKEN)
        return refuse(NotebookRefusal.FILES_FOUND_BAD, told=told)
    if code != 0:
        _log_failure("copy files", account, answer)
        raise NotebookError(message + f"failed with exit status {code}")
    return None
