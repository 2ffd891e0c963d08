"""Mutants of where secrets may stand: rule 13."""

from typing import Final

from tests.security.mutant import Mutant

_REDACTION: Final = "hub_ext/sublet_hub/security/log_redaction.py"
_CLEANING: Final = "hub_ext/sublet_agent/log_cleaning.py"
_SECRETS: Final = "quota/sublet_quota/log_lines/redaction.py"
_TEXT: Final = "quota/sublet_quota/log_lines/log_text.py"
_REDACTIONS: Final = "tests/hub/security/test_log_redaction.py"
_CLEANINGS: Final = "tests/agent/test_log_cleaning.py"
_BLOTS: Final = "tests/quota/log_lines/test_redaction.py"
_BLOTTED: Final = f"{_BLOTS}::test_a_secret_is_blotted_out"
_TEXTS: Final = "tests/quota/log_lines/test_log_text.py"

MUTANTS: Final = (
    Mutant(
        13,
        "what could be a secret goes along when it is listed",
        "spawner/sublet_spawner/account.py",
        "if name in environment and not _must_stay(name)",
        "if name in environment",
        ("tests/spawner/test_account.py::test_secrets_and_the_hubs_own_never_go_even_when_listed",),
    ),
    Mutant(
        13,
        "private files are everybody's to read",
        "hub_ext/sublet_hub/host/private_files.py",
        "_PRIVATE_FILE = 0o600",
        "_PRIVATE_FILE = 0o644",
        ("tests/hub/host/test_private_files.py::test_a_private_file_is_its_accounts_alone",),
    ),
    Mutant(
        13,
        "a token that others can read is used",
        "hub_ext/sublet_hub/host/private_files.py",
        "if mode & (_OTHERS | _GROUP_WRITES):",
        "if False:",
        ("tests/hub/host/test_private_files.py::test_a_secret_that_others_can_read_is_none",),
    ),
    Mutant(
        13,
        "what the service logs is written as it is",
        _REDACTION,
        "        clean_record(record, tuple(self._known), self._format)\n        return True\n",
        "        return True\n",
        (f"{_REDACTIONS}::test_messages_arguments_and_tracebacks_show_no_secrets",),
    ),
    Mutant(
        13,
        "nothing is put before the service's log",
        _REDACTION,
        "handler.addFilter(Redaction(handler, known))",
        "pass",
        (("tests/hub/app/test_secrets.py::test_no_secret_is_in_a_log_an_answer_or_the_ledger"),),
    ),
    Mutant(
        13,
        "what JupyterHub's library says of cookies is logged",
        _REDACTION,
        "if template_of(record).startswith(_LEFT_OUT):",
        "if False:",
        (f"{_REDACTIONS}::test_what_the_library_says_of_cookies_is_left_out",),
    ),
    Mutant(
        13,
        "the service logs without end",
        _REDACTION,
        "if record.levelno > logging.DEBUG and not self._has_room_for(record):",
        "if False:",
        (f"{_REDACTIONS}::test_a_flood_is_cut_off_and_told_of_a_minute_later",),
    ),
    Mutant(
        13,
        "what the agent logs is written as it is",
        _CLEANING,
        "        clean_record(record, (), self._format)\n",
        "",
        (f"{_CLEANINGS}::test_secrets_and_foreign_lines_are_taken_out",),
    ),
    Mutant(
        13,
        "nothing is put before the agent's log",
        _CLEANING,
        "handler.addFilter(LogCleaning(handler))",
        "pass",
        (f"{_CLEANINGS}::test_all_that_the_agents_program_logs_is_cleaned",),
    ),
    Mutant(
        13,
        "the agent logs without end",
        _CLEANING,
        "if record.levelno > logging.DEBUG and not self._has_room_for(record):",
        "if False:",
        (f"{_CLEANINGS}::test_a_flood_is_cut_off_and_told_of_a_minute_later",),
    ),
    Mutant(
        13,
        "a token in a query is logged",
        _SECRETS,
        """        rf"(?P<kept>{_NAMES}\\s{{0,3}}=\\s{{0,3}}[\\"']?){_VALUE}",\n""",
        "",
        (_BLOTTED,),
    ),
    Mutant(
        13,
        "the code of a login is logged",
        _SECRETS,
        "(?:code|state|ticket|sig|signature|key|auth)",
        "(?:ticket|sig|signature|key|auth)",
        (_BLOTTED,),
    ),
    Mutant(
        13,
        "of a secret of some words the first is blotted out",
        _SECRETS,
        """        rf"(?P<kept>{_IS}\\"){_IN_TWO}",\n""",
        "",
        (_BLOTTED,),
    ),
    Mutant(
        13,
        "a token in the address that a login leads to is logged",
        _SECRETS,
        """        rf"(?P<kept>{_NAMES}{_ENCODED}3D){_ENCODED_VALUE}",\n""",
        "",
        (_BLOTTED,),
    ),
    Mutant(
        13,
        "a text is cut first, and then looked at for secrets",
        _TEXT,
        "end = redact(text[-(_MOST_READ + _MARGIN) :], known, foreign=foreign)",
        "end = ' ' * _MARGIN + redact(text[-_MOST_READ:], known, foreign=foreign)",
        (f"{_TEXTS}::test_a_secret_that_the_cut_goes_through_is_not_shown",),
    ),
    Mutant(
        13,
        "cookies are logged",
        _SECRETS,
        """        r"(?P<kept>cookie\\s{0,3}[:=]\\s{0,3})[^\\s\\"'][^\\n]*",\n""",
        "",
        (_BLOTTED,),
    ),
    Mutant(
        13,
        "passwords in addresses are logged",
        _SECRETS,
        """        r"(?P<kept>[a-z]://[^\\s/:@]{0,100}:)[^\\s/@]{1,200}(?=@)",\n""",
        "",
        (_BLOTTED,),
    ),
    Mutant(
        13,
        "the process's own secrets are logged",
        _SECRETS,
        "text = text.replace(secret, BLOT)",
        "pass",
        (f"{_BLOTS}::test_a_secret_of_the_process_goes_wherever_it_stands",),
    ),
    Mutant(
        13,
        "a line break in a name makes a line of the log",
        _TEXT,
        "if text.isprintable():",
        "if True:",
        (f"{_TEXTS}::test_what_cannot_be_printed_is_written_out",),
    ),
    Mutant(
        13,
        "a traceback's lines pass for the log's",
        _TEXT,
        'indent = "" if all(line.startswith(_INDENT) for line in lines) else _INDENT',
        'indent = ""',
        (
            (
                f"{_TEXTS}::"
                "test_a_traceback_keeps_its_lines_and_none_of_them_begins_as_one_of_the_log"
            ),
        ),
    ),
)
