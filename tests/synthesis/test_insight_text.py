"""Extraction says what its sources say, whatever their order, or refuses, whatever they are."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import processes
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from themes import ALONE, LOCKING, PLANS

from haios_dag.embedding import space
from haios_dag.synthesis import insight_text
from haios_dag.synthesis.insight_text import Extract, Refusal, SourceText

if TYPE_CHECKING:
    from numpy.typing import NDArray


def member(id_: int, text: str, document: str | None = None, *headings: str) -> SourceText:
    """Return a source in a document of its own, unless one is named."""
    return SourceText(id_, text, frozenset({document or f"docs/{id_}.md"}), headings)


def said(
    members: Sequence[SourceText], vectors: "NDArray[np.float32] | None" = None
) -> Extract | Refusal:
    """Return what the members say together."""
    if vectors is None:
        vectors = space.embed([one.text for one in members])
    return insight_text.extract(members, vectors, space.embed)


def spoken(members: Sequence[SourceText]) -> Extract:
    """Return what the members say; they must say something."""
    found = said(members)
    assert isinstance(found, Extract), found
    return found


# --- order, number, words ------------------------------------------------------------------------

SENTENCES = [*LOCKING, *PLANS]


@settings(max_examples=40, deadline=None)
@example(  # whose mean cosine, summed in another order, rounds to another digit
    chosen=[*LOCKING[:2], LOCKING[1], LOCKING[3], LOCKING[4], LOCKING[3], PLANS[2]],
    documents=list("aaaaaab"),
    order=random.Random(2),  # noqa: S311 - an order, not a secret
)
@given(
    chosen=st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=9),
    documents=st.lists(st.sampled_from("abc"), min_size=9, max_size=9),
    order=st.randoms(use_true_random=False),
)
def test_order_of_members_does_not_matter(
    chosen: list[str], documents: list[str], order: random.Random
) -> None:
    """The same members in another order say the same, to the last digit."""
    members = [
        member(number, text, documents[number], f"Locks and {documents[number]} in the database")
        for number, text in enumerate(chosen)
    ]
    first = said(members)
    shuffled = list(members)
    order.shuffle(shuffled)
    assert said(shuffled) == first
    assert said(members[::-1]) == first


def test_equal_vectors_are_told_apart_by_id() -> None:
    """Of members that are equally near, the one with the lowest id is quoted."""
    texts = [*LOCKING[:3], *PLANS]
    members = [member(number, text) for number, text in enumerate(texts)]
    vectors = np.zeros((6, 768), np.float32)
    vectors[[0, 2, 4], 0] = 1
    vectors[[1, 3, 5], 1] = 1
    order = [3, 0, 5, 2, 1, 4]
    first = said(members, vectors)
    assert isinstance(first, Extract)
    assert said([members[i] for i in order], vectors[order]) == first
    assert LOCKING[0] in first.text
    assert LOCKING[1] in first.text


@settings(max_examples=40, deadline=None)
@given(chosen=st.lists(st.sampled_from(SENTENCES), min_size=2, max_size=9))
def test_at_most_three_sentences_each_as_written(chosen: list[str]) -> None:
    """An insight is two or three different sentences of its sources, and nothing else."""
    found = said([member(number, text) for number, text in enumerate(chosen)])
    if isinstance(found, Refusal):
        return
    rest = found.text
    quoted = [text for text in SENTENCES if text in rest]
    for text in quoted:
        assert rest.count(text) == 1
        rest = rest.replace(text, "")
    assert rest.strip() == ""
    assert 2 <= len(quoted) <= insight_text.SENTENCES == 3
    assert set(quoted) <= set(chosen)
    assert 0 <= found.confidence <= 1


def test_large_clusters_are_bounded() -> None:
    """However many members there are, forty are looked at and three are quoted."""
    days = ("today", "yesterday", "tomorrow", "soon", "later")
    texts = [f"{text[:-1]} {day}." for text in ALONE for day in days]
    vectors = np.random.default_rng(3).normal(size=(100, 768)) + 1
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    asked: list[str] = []

    def embed(some: Sequence[str]) -> "NDArray[np.float32]":
        asked.extend(some)
        return space.embed(some)

    members = [member(number, text) for number, text in enumerate(texts)]
    found = insight_text.extract(members, vectors, embed)
    assert isinstance(found, Extract)
    assert sum(text in found.text for text in texts) == 3
    assert len(asked) == insight_text.CONSIDERED == 40


def test_no_source_is_quoted_twice() -> None:
    """Each quote comes from a source of its own, however much another one has to say."""
    talker = f"{LOCKING[0]} {PLANS[0]} {ALONE[0]} {ALONE[1]} {ALONE[2]}"
    found = spoken([member(1, talker), member(2, LOCKING[1])])
    assert LOCKING[1] in found.text
    assert sum(text in found.text for text in (*LOCKING, *PLANS, *ALONE)) == 2


_WORDS = st.just("\n") | st.sampled_from(
    """the lock of a beat holds and never dies before status files are written to disk by hooks
    SQLite `code` WORK-071 20 e.g. (in brackets) "said so" it's -- - * # | ? ! . : ; , Problem:
    Finding 3: 1. 2.1 A) [x] https://x.y/z {{name}} ** _em_ \u2014 \u2192 日本語""".split()
)


@settings(max_examples=300, deadline=None)
@given(words=st.lists(_WORDS, max_size=60))
def test_quotes_are_verbatim(words: list[str]) -> None:
    """But for a label in front, a capital and a full stop, a quote stands so in its source."""
    text = " ".join(words)
    source = " ".join(text.split())
    for quote in insight_text.quotable(text):
        body = quote[1:].removesuffix(".").rstrip(",;")
        assert body in source
        first = source[source.index(body) - 1]
        assert quote[0] in (first, first.upper()[0])
        assert "\n" not in quote
        assert quote[-1] in ".!"
        assert "{{" not in quote


def test_quotes_keep_what_matters() -> None:
    """Numbers, negations, names and code stay in a quote; its label and bullet go."""
    text = (
        "- Problem: agents must not wait 200 seconds for `BEGIN IMMEDIATE` in WORK-071,"
        " whatever ADR-036 says;"
    )
    assert insight_text.quotable(text) == [
        "Agents must not wait 200 seconds for `BEGIN IMMEDIATE` in WORK-071, whatever ADR-036 says."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Too few words.",
        "`all_of_it` `is.code()` `and --nothing` `else at all` of `the/whole/line` here `x`",
        "Does the beat really hold its lock until the very end of it?",
        "The following things must be done before the beat can end:",
        "The {{name}} of the template must be filled in by its author.",
        "| a table row | with several words | in it that | say nothing |",
        "Verify: the status file was written before the beat has ended.",
        "Names of the server and of prompts are normalized (spaces become underscores) </Tip>",
        f"The lock {'is held and ' * 60} released.",
    ],
)
def test_unquotable(text: str) -> None:
    """What is no statement of its own is never quoted."""
    assert list(insight_text.quotable(text)) == []


# --- refusals ------------------------------------------------------------------------------------


def test_one_document_is_refused() -> None:
    """Statements of one document are no insight across documents."""
    found = said([member(number, text, "docs/a.md") for number, text in enumerate(LOCKING)])
    assert found == Refusal("all sources stand in one document")


def test_one_statement_is_refused() -> None:
    """One statement written down many times, or almost so, is no insight."""
    again = [LOCKING[0], LOCKING[0].replace("SQLite needs", "SQLite needed"), LOCKING[0]]
    found = said([member(number, text) for number, text in enumerate(again)])
    assert isinstance(found, Refusal)
    assert "repeat" in found.reason


def test_unquotable_sources_are_refused() -> None:
    """Sources that cannot be quoted make no insight, alone or with one that can."""
    code = ["`sqlite3.connect(path)`", "`connection.execute(sql)`", LOCKING[0]]
    for texts in (code, code[:2]):
        found = said([member(number, text) for number, text in enumerate(texts)])
        assert isinstance(found, Refusal)
        assert found.reason


def test_chores_are_refused() -> None:
    """Lines of task lists are no insight, however alike they are."""
    lines = [
        "Add the busy timeout to the database manager of the ingester package.",
        "Update the database manager so that the ingester has the busy timeout.",
        "Test the busy timeout of the database manager in the ingester tests.",
    ]
    assert isinstance(said([member(number, line) for number, line in enumerate(lines)]), Refusal)


def test_reports_that_there_was_nothing_to_do_are_refused() -> None:
    """What a form says was not needed that day is no insight, however often it was not."""
    lines = [
        "Investigation is of the codebase only, no external sources needed for any part of it.",
        "No external research required, as all the evidence is in the codebase of the beat.",
        "No new work items spawned by the review of the evidence in the codebase of the beat.",
    ]
    assert isinstance(said([member(number, line) for number, line in enumerate(lines)]), Refusal)


def test_one_form_filled_in_is_refused() -> None:
    """Lines that differ only in the id or the path filled in are one statement."""
    lines = [
        f"No blocking decisions are recorded for the plan of {one} in the work item."
        for one in ("WORK-071", "WORK-072", "WORK-113")
    ]
    found = said([member(number, line) for number, line in enumerate(lines)])
    assert isinstance(found, Refusal)
    assert "repeat" in found.reason


def test_labels_are_refused() -> None:
    """Names and labels without a verb are no insight, however alike they are."""
    lines = [
        "Overview of the hybrid retrieval architecture of the memory",
        "Memory retrieval architecture, hybrid, first draft of the design",
        "Hybrid memory retrieval architecture (design, second draft)",
    ]
    found = said([member(number, line) for number, line in enumerate(lines)])
    assert isinstance(found, Refusal)


# --- contradictions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The limit is 20 members in one cluster.", "The limit is 200 members in one cluster."),
        (
            "Hooks must read the slim status before each prompt.",
            "Hooks must not read the slim status before each prompt.",
        ),
        (
            "The concepts of the memory are stored in SQLite on the local disk.",
            "The concepts of the memory are stored in PostgreSQL on the local disk.",
        ),
    ],
)
def test_contradictions_are_both_shown(one: str, other: str) -> None:
    """Near copies that deny each other are both quoted, alone and among many that repeat one."""
    found = spoken([member(0, one), member(1, other)])
    assert one in found.text
    assert other in found.text
    crowd = [one] * 5 + [other] + [one.replace("The ", "A ")] * 2
    found = spoken([member(number, text) for number, text in enumerate(crowd)])
    assert one in found.text
    assert other in found.text


def test_contradiction_has_precedence_over_a_third_sentence() -> None:
    """Where three sentences are quoted, none of them hides one that denies it."""
    texts = [*LOCKING[:2], LOCKING[0].replace("needs a", "needs no")]
    found = spoken([member(number, text) for number, text in enumerate([*texts, *LOCKING[2:]])])
    assert (texts[0] in found.text) == (texts[2] in found.text)


# --- confidence ----------------------------------------------------------------------------------


def test_confidence_grows_with_what_is_said() -> None:
    """More words in whole sentences give more confidence, always below one."""
    short = spoken([member(0, PLANS[2]), member(1, PLANS[0])])
    long = spoken([member(n, f"{text[:-1]}, as all of us have seen since the last release.")
                   for n, text in enumerate(LOCKING)])  # fmt: skip
    assert 0 < short.confidence < long.confidence < 1


# --- titles --------------------------------------------------------------------------------------


def test_title_is_the_nearest_human_heading() -> None:
    """The title is a heading that its sources stand under, the one nearest to what they say."""
    headings = ["Bananas and apples", "SQLite locks and the ingester", "Summary", "Step 3"]
    members = [
        member(number, text, None, *headings[number % 2 :])
        for number, text in enumerate(LOCKING[:3])
    ]
    assert spoken(members).title == "SQLite locks and the ingester"


def test_without_a_heading_the_first_quote_is_the_title() -> None:
    """Where all headings are generic, the title is cut from the first sentence quoted."""
    members = [member(n, text, None, "Context", "Step 3") for n, text in enumerate(LOCKING[:3])]
    found = spoken(members)
    assert found.text.startswith(found.title.removesuffix("…"))
    assert len(found.title) <= 90


@pytest.mark.parametrize(
    "heading",
    [
        "", "   ", "Context", "SUMMARY", "**Overview**", "3. Background", "2.1 Key Findings",
        "Step 3", "Phase 2b", "Session 486", "Lock", "{{title of the plan}}", "Next Steps",
        "Definition of Done", "(see below)", "1234", "\u2014 \u2013 :", "`code`",
    ],
)  # fmt: skip
def test_generic_headings_are_no_titles(heading: str) -> None:
    """A heading that could stand anywhere says nothing of a cluster."""
    assert insight_text.clean_title(heading) is None


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("3. Busy timeouts for SQLite", "Busy timeouts for SQLite"),
        ("**Why `hooks` read half a file**", "Why hooks read half a file"),
        ("Session 55: Locks in the ingester", "Locks in the ingester"),
        ("ADR-036 - Status files are caches", "Status files are caches"),
        ("Investigation: dead heartbeat (S121)", "dead heartbeat"),
        ("Nothing to cut here", "Nothing to cut here"),
    ],
)
def test_titles_lose_number_and_kind(heading: str, title: str) -> None:
    """Numbering, marks and the kind of document are no part of a title."""
    assert insight_text.clean_title(heading) == title


def test_long_titles_end_at_a_word() -> None:
    """A title has at most 90 characters and ends with a whole word."""
    heading = "Why the ingester crashed " * 9
    title = insight_text.clean_title(heading)
    assert title is not None
    assert len(title) <= 90
    assert title.endswith("…")
    assert heading.startswith(title[:-1])
    assert heading[len(title) - 1] == " "


def test_candidates_are_all_that_is_asked_for() -> None:
    """Extraction asks for no vector that was not announced."""
    members = [
        member(number, text, None, f"Heading of {number} in words", "Context")
        for number, text in enumerate([*SENTENCES, *ALONE[:4]])
    ]
    announced = set(insight_text.candidates(members))

    def embed(texts: Sequence[str]) -> "NDArray[np.float32]":
        assert set(texts) <= announced
        return space.embed(texts)

    vectors = space.embed([one.text for one in members])
    assert isinstance(insight_text.extract(members, vectors, embed), Extract)


# --- hostile text --------------------------------------------------------------------------------

_HOSTILE = """
from haios_dag.embedding import space, thresholds
from haios_dag.synthesis import insight_text

n = 30_000
hostile = [
    unit * (n // len(unit)) + end
    for unit in ("a", "1", "1.", "`", "(", ")", " ", "\\t ", ".", '."', "!)", "-", "A ", "a ", "A-",
                 "[", "*", "{{", "|", ": ", "A:", "é", "\\n", "1 ", "a.", "Aa (", " (", "x`y ")
    for end in ("", "x", ")", "`", ":")
]
fronts = ("", "Session ", "session 1", "step ", "ADR-", "A", "Verify ", "Problem ", "1.1", "[",
          "* ", "x. ", "x.) ", "`", "Add ")
for text in [front + one for front in fronts for one in hostile]:
    insight_text.quotable(text)
    insight_text.clean_title(text)
print("done")
"""


def test_hostile_text_takes_linear_time() -> None:
    """No token, bracket, digit or blank, repeated 30,000 times, keeps a pattern busy."""
    assert processes.run(_HOSTILE, timeout=600) == "done\n"  # quadratic time would take hours
