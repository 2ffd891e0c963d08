"""Refusals of a job's notebook: its path, its kernel, its parameters, variables and files."""

from enum import unique

from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.refusals.refuse import RefusalCode, Row
from sublet_quota.reasons.shared_clauses import PARAMETERS_TOO_LARGE


@unique
class NotebookRefusal(RefusalCode):
    """Why a job of a notebook is refused for what is in the notebook, or goes with it.

    ``told`` are words of the runner, which has read the files as their owner.
    """

    NOT_BELOW_FOLDER = Row(
        RefusalReason.BAD_NOTEBOOK,
        "{path!r:.300} is no path below your notebook folder: write it as in the file browser, "
        "without a leading / and without ..",
    )
    NO_NOTEBOOK = Row(
        RefusalReason.BAD_NOTEBOOK,
        "{path!r:.300} is no notebook: its name must end in .ipynb",
    )
    NOT_READ = Row(RefusalReason.BAD_NOTEBOOK, "{path}: it cannot be read")
    FOUND_BAD = Row(RefusalReason.BAD_NOTEBOOK, "{path}: {told}")
    PARAMETERS_TOO_LARGE = Row(RefusalReason.BAD_NOTEBOOK, f"{{path}}: {PARAMETERS_TOO_LARGE}")
    KERNEL_NOT_INSTALLED = Row(
        RefusalReason.UNKNOWN_KERNEL,
        "{path} needs the kernel {kernel!r}, which is not installed for you: install it, or choose "
        "another kernel and save the notebook",
    )

    PARAMETER_IS_NO_NAME = Row(
        RefusalReason.BAD_PARAMETERS,
        "the parameter {parameter!r:.80} is no name that a variable can have",
    )
    PARAMETER_NOT_PLAIN = Row(
        RefusalReason.BAD_PARAMETERS,
        "the parameter {parameter!r:.80} is no text, number, true, false, null, or list or mapping "
        "of these",
    )
    PARAMETER_NOT_DECLARED = Row(
        RefusalReason.BAD_PARAMETERS,
        "the parameter {parameter!r:.80} is not in the notebook's cell of parameters: it has "
        "{declared}",
    )
    PARAMETER_OF_OTHER_TYPE = Row(
        RefusalReason.BAD_PARAMETERS,
        "the parameter {parameter!r:.80} is a {type} in the notebook, and cannot be {value!r:.100}",
    )

    TOO_MANY_VARIABLES = Row(
        RefusalReason.BAD_PARAMETERS,
        "{variables}: at most {most_variables}",
    )
    VARIABLE_IS_NO_NAME = Row(
        RefusalReason.BAD_PARAMETERS,
        "the variable {variable!r:.80} is no name of an environment variable",
    )
    VARIABLE_RESERVED = Row(
        RefusalReason.BAD_PARAMETERS,
        "the variable {variable!r:.80} is set by Sublet or JupyterHub, and cannot be asked for",
    )
    VARIABLE_TOO_LONG = Row(
        RefusalReason.BAD_PARAMETERS,
        "the variable {variable!r:.80} has a value that is longer than {most_characters} "
        "characters, or not text",
    )

    FILE_NOT_BELOW_FOLDER = Row(
        RefusalReason.BAD_FILES,
        "{asked_path} is no path below the notebook's folder: write it without a leading / and "
        "without .., or . for the whole folder.",
    )
    FILE_OF_EARLIER_JOBS = Row(
        RefusalReason.BAD_FILES,
        "{asked_path} holds results of earlier jobs, which are not taken along. Copy what is "
        "needed beside the notebook.",
    )
    FILES_NOT_TAKEN = Row(RefusalReason.BAD_FILES, "it failed")
    FILES_FOUND_BAD = Row(RefusalReason.BAD_FILES, "{told}")
