"""PyTorch's memory, without PyTorch: how much its tensors take, and the most that they ever took.

Only what the examples' large tensors go through. A sum with another ``dtype`` makes a copy of that
type first, as PyTorch does on a card.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

_BYTES = {"int32": 4, "int64": 8, "float32": 4}


@dataclass
class Memory:
    """The bytes on the card."""

    held: int = 0
    most: int = 0

    @contextmanager
    def more(self, size: int) -> Iterator[None]:
        self.take(size)
        yield
        self.held -= size

    def take(self, size: int) -> None:
        self.held += size
        self.most = max(self.most, self.held)


@dataclass
class Tensor:
    memory: Memory
    count: int

    def random_(self, **_: object) -> None:
        pass

    def view(self, _dtype: str) -> "Tensor":
        return self

    def split(self, count: int) -> list["Tensor"]:
        whole, rest = divmod(self.count, count)
        return [Tensor(self.memory, each) for each in [count] * whole + [rest] * bool(rest)]

    def sum(self, *, dtype: str) -> int:
        with self.memory.more(self.count * _BYTES[dtype]):
            return self.count


@dataclass
class Generator:
    device: str

    def manual_seed(self, _seed: int) -> "Generator":
        return self


@dataclass
class FakeTorch:
    """The module, for ``sys.modules``."""

    memory: Memory = field(default_factory=Memory)

    def module(self) -> ModuleType:
        made: Any = ModuleType("torch")
        made.empty = self._empty
        made.Generator = Generator
        made.int32, made.int64 = "int32", "int64"
        made.device = str
        made.manual_seed = lambda _: None
        made.use_deterministic_algorithms = lambda _: None
        made.cuda = SimpleNamespace(get_device_name=lambda: "a card")
        return made

    def _empty(self, count: int, *, dtype: str, device: str) -> Tensor:
        assert device == "cuda"
        self.memory.take(count * _BYTES[dtype])
        return Tensor(self.memory, count)
