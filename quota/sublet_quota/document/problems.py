"""What is wrong with a quota document: line, key, what is wrong, what is allowed."""

from dataclasses import dataclass

from sublet_quota.errors import SubletQuotaError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class DocumentProblem:
    """One thing that is wrong, and where."""

    line: int
    path: KeyPath
    message: str

    @property
    def key(self) -> str:
        """The path as people write it: ``pools.interactive.gpus.types[0]``."""
        written = ""
        for step in self.path:
            if isinstance(step, int):
                written += f"[{step}]"
            else:
                written += f".{step}" if written else step
        return written

    def __str__(self) -> str:
        """For people: ``line 7: pools.fast.lend: 'perhaps' is neither true nor false: ...``."""
        return f"line {self.line}: {self.key or 'the document'}: {self.message}"


class QuotaDocumentError(SubletQuotaError):
    """A quota document that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: tuple[DocumentProblem, ...]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"the quota document has {count}:\n{listed}")
