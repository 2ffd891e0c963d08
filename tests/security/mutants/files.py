"""Mutants of how files of tenants are taken along: rule 9."""

from typing import Final

from tests.security.mutant import Mutant

_TAKING: Final = "labextension/sublet_lab/runner/taking_along.py"
_TESTS: Final = "tests/lab/test_taking_along.py"
_FILE: Final = f"{_TESTS}::test_a_file_that_is_swapped_for_a_link_meanwhile_is_not_followed"
_FOLDER: Final = f"{_TESTS}::test_a_folder_that_is_swapped_for_a_link_meanwhile_is_not_followed"
_INTO: Final = (
    f"{_TESTS}::test_nothing_is_written_through_a_link_that_is_put_into_the_copy_meanwhile"
)
_LARGE: Final = f"{_TESTS}::test_a_folder_too_large_is_refused_and_nothing_is_left"

MUTANTS: Final = (
    Mutant(
        9,
        "a file that became a link is followed",
        _TAKING,
        "_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | ",
        "_READ: Final = os.O_RDONLY | ",
        (_FILE,),
    ),
    Mutant(
        9,
        "a pipe in a file's place is waited for",
        _TAKING,
        "os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC",
        "os.O_NOFOLLOW | os.O_CLOEXEC",
        (f"{_TESTS}::test_a_pipe_that_is_put_in_a_files_place_meanwhile_is_not_waited_for",),
    ),
    Mutant(
        9,
        "what is no regular file is copied",
        _TAKING,
        "        facts = os.fstat(source)\n        if not stat.S_ISREG(facts.st_mode):",
        "        facts = os.fstat(source)\n        if False:",
        (f"{_TESTS}::test_a_pipe_that_is_put_in_a_files_place_meanwhile_is_not_waited_for",),
    ),
    Mutant(
        9,
        "what is in the copy already is written over",
        _TAKING,
        "os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC",
        "os.O_CREAT | os.O_CLOEXEC",
        (_INTO, f"{_TESTS}::test_what_is_in_the_copy_already_is_never_written_over"),
    ),
    Mutant(
        9,
        "folders of the copy may be links",
        _TAKING,
        "return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)",
        "return os.open(name, _FOLDER, dir_fd=folder)",
        (_INTO,),
    ),
    Mutant(
        9,
        "a folder below a named one that became a link is followed",
        _TAKING,
        "with _opened(name, _FOLDER | os.O_NOFOLLOW, folder) as inner:\n"
        "                _visit_all(inner, path / name",
        "with _opened(name, _FOLDER, folder) as inner:\n"
        "                _visit_all(inner, path / name",
        (_FOLDER,),
    ),
    Mutant(
        9,
        "a named folder that became a link is followed",
        _TAKING,
        "with _opened(name, _FOLDER | os.O_NOFOLLOW, folder) as inner:\n"
        "                _visit_all(inner, path, visit",
        "with _opened(name, _FOLDER, folder) as inner:\n"
        "                _visit_all(inner, path, visit",
        (_FOLDER,),
    ),
    Mutant(
        9,
        "a link on the way to what was named is followed",
        _TAKING,
        "inner = _open(part, _FOLDER | os.O_NOFOLLOW, folder, path)",
        "inner = _open(part, _FOLDER, folder, path)",
        (f"{_TESTS}::test_a_link_is_refused_when_it_is_named_and_stays_behind_in_a_folder",),
    ),
    Mutant(
        9,
        "paths may lead out of the folder",
        "quota/sublet_quota/jobs/take_along.py",
        'if path.is_absolute() or ".." in path.parts or "\\0" in text or "\\\\" in text:',
        "if False:",
        (f"{_TESTS}::test_a_path_out_of_the_folder_is_refused",),
    ),
    Mutant(
        9,
        "any number of files is copied",
        _TAKING,
        "if self.files > self.most_files:",
        "if False:",
        (_LARGE,),
    ),
    Mutant(
        9,
        "any number of bytes is copied",
        _TAKING,
        "if self.bytes > self.most_bytes:",
        "if False:",
        (_LARGE,),
    ),
    Mutant(
        9,
        "the service appends to what a link in its folder leads to",
        "hub_ext/sublet_hub/host/private_files.py",
        "os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC",
        "os.O_APPEND | os.O_CLOEXEC",
        ("tests/hub/host/test_private_files.py::test_nothing_is_appended_through_a_link",),
    ),
)
