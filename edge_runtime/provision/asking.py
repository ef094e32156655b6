"""Questions to the person at the board: a wrong answer is told, and asked for again at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from edge_runtime.errors import UsageError
from edge_runtime.language import Language

T = TypeVar("T")


class Asker(Protocol):
    """The person at the terminal, in whose language everything is said."""

    def ask(self, question: str, default: str) -> str:
        """Return what is answered; an empty default: something has to be answered."""
        ...

    def secret(self, question: str) -> str:
        """Return what is typed without being shown."""
        ...

    def agree(self, question: str) -> bool:
        """Return whether the answer is yes; no is the default."""
        ...

    def tell(self, text: str) -> None:
        """Say something."""
        ...


class Conversation:
    """An asker, and the ways in which answers are asked for."""

    def __init__(self, asker: Asker, language: Language) -> None:
        self.asker = asker
        self.language = language

    def until_good(self, question: str, default: str, read: Callable[[str], T]) -> T:
        """Ask until `read` takes the answer; it raises UsageError where it does not."""
        while True:
            try:
                return read(self.asker.ask(question, default).strip())
            except UsageError as error:
                self.asker.tell(error.localized(self.language))

    def choose(self, question: str, among: Sequence[tuple[T, str]]) -> T:
        """Have one chosen by its number, or by its name; the first is the default."""
        listed = "\n".join(f"  {number}. {name}" for number, (_, name) in enumerate(among, 1))

        def read(answer: str) -> T:
            for number, (value, name) in enumerate(among, 1):
                if answer in (str(number), name, value):
                    return value
            raise UsageError(
                "'{answer}' is not in the list; type a number from 1 to {most}",
                answer=answer,
                most=len(among),
            )

        return self.until_good(f"{question}\n{listed}\n", "1", read)
