"""A page to show to an employer: who has solved what, when, with how much help. No script, no
link: it opens anywhere. Both languages stand beside each other.
"""

from __future__ import annotations

import time
from html import escape
from pathlib import Path

from edge_runtime.durable import replace_file
from edge_runtime.errors import UsageError, because
from edge_runtime.language import N_, Code, Language
from edge_runtime.practice.exercise import Exercise
from edge_runtime.practice.progress import SolvedExercise, save_progress
from edge_runtime.practice.session import PracticeSession

LONGEST_NAME = 80
CODES: tuple[Code, Code] = ("vi", "en")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ccc }
td.number { text-align: right; white-space: nowrap }
.second { color: #555 }
"""
COLUMNS = (
    N_("Exercise"),
    N_("Solved on"),
    N_("Minutes (an expert)"),
    N_("Hints used"),
)


def write_report(session: PracticeSession, person: str, file: Path, now_s: float) -> None:
    """Write the page, and keep the name for the next one. Raises UsageError."""
    if not person or len(person) > LONGEST_NAME:
        raise UsageError(
            "--name: missing, or longer than {most} characters: whose page is it?",
            most=LONGEST_NAME,
        )
    exercises = session.exercises()
    text = page(person, exercises, session.progress.solved, now_s)
    try:
        replace_file(file, text.encode(), mode=0o644)
    except OSError as error:
        raise UsageError(
            "{file}: cannot be written ({reason}); name another with --out",
            file=file,
            reason=because(error),
        ) from None
    session.progress.person = person
    save_progress(session.folder, session.progress)


def page(
    person: str, exercises: dict[str, Exercise], solved: dict[str, SolvedExercise], now_s: float
) -> str:
    """Return the page's text."""
    done = [name for name in exercises if name in solved]
    summary = both(
        N_("{done} of {all} exercises solved, by {day}"),
        done=len(done),
        all=len(exercises),
        day=day_of(now_s),
    )
    rows = "".join(row_of(exercises[name], solved[name]) for name in done)
    head = "".join(f"<th>{both(column)}</th>" for column in COLUMNS)
    title = both(N_("Practice with edge-runtime"))
    note = both(
        N_(
            "Each exercise is a simulated site with one fault. It counts as solved once the "
            "program has measured that the site works again. The person's own machine made this "
            "page."
        )
    )
    return (
        f'<!doctype html>\n<html lang="vi">\n<head><meta charset="utf-8">'
        f"<title>edge-runtime: {escape(person)}</title>"
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body><h1>{title}</h1><h2>{escape(person)}</h2><p>{summary}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{note}</p></body>\n</html>\n"
    )


def row_of(exercise: Exercise, solved: SolvedExercise) -> str:
    """Return an exercise's row."""
    cells = (
        f"<td>{both(exercise.title)}</td>",
        f'<td class="number">{day_of(solved.first_s)}</td>',
        f'<td class="number">{max(1, round(solved.minutes))} ({exercise.minutes})</td>',
        f'<td class="number">{solved.hints}</td>',
    )
    return f"<tr>{''.join(cells)}</tr>\n"


def both(english: str, **values: object) -> str:
    """Return a text in both languages, as HTML; one that is known in one language once."""
    first, second = (Language(code).text(english, **values) for code in CODES)
    if first == second:
        return escape(first)
    return f'{escape(first)}<br><span class="second" lang="en">{escape(second)}</span>'


def day_of(unix_s: float) -> str:
    """Return a day as people write it everywhere."""
    return time.strftime("%Y-%m-%d", time.localtime(unix_s))
