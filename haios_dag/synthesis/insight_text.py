"""Insights without a model: the sentences that say best what a cluster's sources share.

The method is extractive summarization by centroid (Radev et al., 2004, "Centroid-based
summarization of multiple documents") with maximal marginal relevance against repetition (Carbonell
and Goldstein, 1998), under a heading that a human wrote. It says what was written, never more, and
refuses a cluster that has nothing to say: repeats of one statement, template text, lists of files.
"""

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from haios_dag.embedding.cosines import unit
from haios_dag.embedding.thresholds import DUPLICATE, SAME_SENTENCE
from haios_dag.ingest import statements
from haios_dag.synthesis import near_copies

if TYPE_CHECKING:
    from haios_dag.base.arrays import Matrix

METHOD = "extractive"
SENTENCES = 3  # quoted at most
CONSIDERED = 40  # members looked at for quotes: the nearest to the centroid
_LONGEST = 320  # characters of a quoted sentence
_FEWEST_WORDS = 6
_TITLE_LONGEST = 90
_HEADING_LONGEST = 500  # characters looked at: other programs' headings are not bounded
_CHORE_COSTS = 0.2  # of a sentence's score, which is a cosine
_FRAGMENT_COSTS = 0.1
_FEWEST_STATED = 10  # words in whole sentences that an insight quotes
_SURE = 30  # words in whole sentences at which the confidence is one half

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9`])|\n+")
_CODE = re.compile(r"`[^`]*`")
_TAG = re.compile(r"</\w+>|<\w+ ?/>")  # debris of markup that Markdown does not know
_WORD = re.compile(r"[^\W\d_]{2,}")
# "Problem:", "Key finding 3:": a label says where a sentence stood, not what it says.
_LABEL = re.compile(r"^(?:[A-Z][\w/-]*)(?: [\w/()&+-]+){0,3}:\s+")
# Labels of test plans and task lists: what follows is a step to execute, not a statement.
_STEP = re.compile(
    r"^(?:verify|assertions?|input|output|action|setup|expected?|spec_ref|test|step|files?|command|"
    r"run|usage|see|source|status|date|session|spawned|related|memory|focus|note to self)\b"
    r"[^.]{0,20}:",
    re.IGNORECASE,
)
# A line of a task list or of a log of work: true of one day, and no statement to keep.
_CHORE = re.compile(
    r"^(?:add|creat|updat|remov|delet|implement|fix|mov|renam|run|read|grep|writ|wrote|test|verif|"
    r"check|commit|list|identif|filter|defer|skip|synthesi[sz]|select|glob|invok|extend|extract|refactor|install|execut|document|investigat|spawn|clos|complet|"
    r"archiv|migrat|wir|replac|review|confirm|declar|modif|enhanc|diagnos|resolv|merg)"
    r"(?:e|es|s|ed|red|ied|y|ing|ring|ten)?\b|^@",
    re.IGNORECASE,
)
# A line that reports one day's outcome: counts of tests, a tick, an answer to a form.
_REPORT = re.compile(
    r"\btests? (?:all )?(?:pass(?:ed|es|ing)?|green|fail(?:ed|ing)?)\b|\b(?:zero|no) regressions?\b"
    r"|\d (?:\w+ ){0,2}tests\b|^(?:none|nothing|n/a|no deviations?|no issues?)\b"
    r"|^(?:low|medium|high) priority\b|^(?:skipped|blocked by)\b|[\u2611\u2705\u2713\u2714]|\bTBD\b"
    r"|\bno (?:[\w-]+,? ){1,5}(?:needed|required|spawned)\b"
    r"|\b(?:complete|completed|done|closed|ready|implemented|operational|verified)[\])]*[.!]*$",
    re.IGNORECASE,
)
# What a sentence has and a label or a list of names has not: a verb, or a word that joins clauses.
_CLAUSE = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|does|do|did|can|could|cannot|will|would|must|should"
    r"|shall|may|might|because|since|so|while|unless|until|instead|that|enables?|requires?|uses?"
    r"|contains?|provides?|returns?|reads?|writes?|needs?|means?|causes?|prevents?|allows?|makes?"
    r"|keeps?|lacks?|fails?|failed|caused|found|blocks?|becomes?|stores?|takes?|works?|exists?"
    r"|depends?|discovers?|ensures?|creates?|replaces?|gets?|got|defines?|runs?|imports?|shows?"
    r"|matches|match|serves?|leads?|happens?)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"`[^`]*`|\([^()]*\)|\"[^\"]*\"")
_GENERIC = re.compile(
    r"^(?:context|overview|(?:session )?summary|introduction|background|notes?|details?|"
    r"objective|goals?|purpose|scope|in scope|out of scope|problem(?: statement)?|solution|"
    r"approach|design|implementation(?: plan| steps)?|steps?|tasks?|deliverables|requirements|"
    r"references|related|history|status|results?|findings|key findings|conclusions?|"
    r"recommendations?|decisions?|key decisions|open questions|questions|"
    r"risks?(?: & mitigations?)?|"
    r"next(?: session)?(?: steps)?|completed(?: work)?|work completed|deferred items|"
    r"current state|desired state|evidence|analysis|examples?|usage|testing|tests?(?: first)?|"
    r"acceptance criteria|definition of done|dod|hypothes[ie]s|success criteria|"
    r"verification|validation|pending(?: work)?|continuation instructions|action items|rationale|"
    r"executive summary|problem discovered|what (?:was|is) this|tl;?dr|"
    r"(?:layer|step|phase|part|section|gate|option|test|task|hypothesis|finding|question|gap|"
    r"change|file|component|principle|appendix|cycle)\s*[\w.-]{0,4})$",
    re.IGNORECASE,
)
_NUMBERING = re.compile(
    r"^(?:\d+(?:\.\d+)*[.):]?\s+|[A-Z][.)]\s+|[-*#]+\s*|\[[A-Z]?[\d.]+\]\s*|\[[A-Z]+\]\s+)"
)
_KIND_OF_DOCUMENT = re.compile(
    r"^(?:session \d+\w*(?: checkpoint)?|checkpoint|implementation plan|plan|investigation|"
    r"work item|adr(?:-\d+)?|(?:investigation )?handoff|report|observations?)"
    r"\s*[:\u2013\u2014-]\s*",
    re.IGNORECASE,
)

Embed = Callable[[Sequence[str]], "Matrix"]


@dataclass(frozen=True, slots=True)
class SourceText:
    """A source as the extraction sees it: `headings` are those it stands under, nearest last."""

    id: int
    text: str
    documents: frozenset[str]
    headings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Extract:
    """What a cluster says; `confidence` grows with the words that it quotes in whole sentences."""

    title: str
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a cluster makes no insight."""

    reason: str


def extract(members: Sequence[SourceText], vectors: "Matrix", embed: Embed) -> Extract | Refusal:
    """Return what these members (unit vectors as rows) say together, in any order of theirs."""
    if len(frozenset().union(*(member.documents for member in members))) < 2:  # noqa: PLR2004
        return Refusal("all sources stand in one document")
    by_id = sorted(range(len(members)), key=lambda i: members[i].id)  # sums round by their order
    members, vectors = [members[i] for i in by_id], vectors[by_id]
    centroid = unit(vectors.mean(axis=0))
    nearness = vectors @ centroid
    order = sorted(range(len(members)), key=lambda i: -round(float(nearness[i]), 5))  # ties by id
    texts = [member.text for member in members]
    kept = _distinct(order[:CONSIDERED], texts, vectors)
    if len({_frame(texts[i]) for i in kept}) < 2:  # noqa: PLR2004
        return Refusal("the sources repeat one statement")
    sentences = [(one, i) for i in kept for one in quotable(members[i].text)]
    if len({i for _, i in sentences}) < 2:  # noqa: PLR2004
        return Refusal("fewer than two sources can be quoted")
    quotes = _choose([text for text, _ in sentences], [i for _, i in sentences], centroid, embed)
    if len(quotes) < 2:  # noqa: PLR2004
        return Refusal("the sources repeat one statement")
    stated = sum(len(quote.split()) for quote in quotes if _is_statement(quote))
    if stated < _FEWEST_STATED:
        return Refusal("the sources are labels, or lines of task lists and logs")
    headings = [heading for i in kept for heading in members[i].headings]
    title = best_title(headings, centroid, embed) or shorten(quotes[0])
    return Extract(title, " ".join(quotes), round(stated / (stated + _SURE), 4))


def candidates(members: Sequence[SourceText]) -> list[str]:
    """Return every text whose vector `extract` may ask for."""
    texts = [sentence for member in members for sentence in quotable(member.text)]
    titles = [clean_title(heading) for member in members for heading in member.headings]
    return texts + [title for title in titles if title]


@functools.lru_cache(maxsize=4096)
def quotable(text: str) -> Sequence[str]:
    """Return the sentences of a text that can stand alone, labels removed."""
    found = []
    for part in _SENTENCE_END.split(text):
        sentence = " ".join(part.split())
        if _STEP.match(sentence):
            continue
        sentence = _LABEL.sub("", _NUMBERING.sub("", sentence)).strip(" -\u2013\u2014\u2192\u2022")
        prose = _CODE.sub(" ", sentence)
        if (
            len(_WORD.findall(prose)) < _FEWEST_WORDS
            or len(prose) < 0.6 * len(sentence)
            or len(sentence) > _LONGEST
            or sentence.endswith(("?", ":"))
            or "{{" in sentence
            or "|" in prose
            or _TAG.search(prose)
        ):
            continue
        sentence = sentence[0].upper() + sentence[1:]
        found.append(sentence if sentence[-1] in ".!" else sentence.rstrip(",;") + ".")
    return found


def best_title(headings: Sequence[str], near: "Matrix", embed: Embed) -> str | None:
    """Return the human heading nearest to a vector, or None when all are generic."""
    titles = sorted({title for heading in headings if (title := clean_title(heading))})
    if not titles:
        return None
    cosines = embed(titles) @ near
    best = int(np.argmax(np.round(cosines, 5)))  # the first of equals: titles are sorted
    return titles[best]


def clean_title(heading: str) -> str | None:
    """Return a heading without numbering and kind of document, or None when it says nothing."""
    heading = " ".join(heading[:_HEADING_LONGEST].split())
    title = _NUMBERING.sub("", heading.replace("`", "").replace("*", "").strip())
    title = _KIND_OF_DOCUMENT.sub("", title).strip(" :\u2013\u2014-")
    title = re.sub(r"\s*\([^)]*\)$", "", title)
    if _GENERIC.match(title) or len(_WORD.findall(title)) < 2 or "{{" in title:  # noqa: PLR2004
        return None
    return shorten(title)


def _distinct(order: Sequence[int], texts: Sequence[str], vectors: "Matrix") -> list[int]:
    """Return the rows, in this order, that repeat no earlier one."""
    kept: list[int] = []
    for i in order:
        near = (j for j in kept if float(vectors[j] @ vectors[i]) >= DUPLICATE)
        if not any(near_copies.repeats(texts[i], texts[j]) for j in near):
            kept.append(i)
    return kept


def _frame(text: str) -> tuple[object, ...]:
    """Return what filling in another id, path or code span leaves as it was."""
    said = near_copies.facts(text)
    return statements.form(text), said.numbers, said.negations


def _is_chore(sentence: str) -> bool:
    return bool(_CHORE.match(sentence) or _REPORT.search(sentence))


def _is_sentence(text: str) -> bool:
    """Tell whether a text is more than a label, without what stands in brackets, quotes or code."""
    return bool(_CLAUSE.search(_ASIDE.sub(" ", text)))


def _is_statement(text: str) -> bool:
    return _is_sentence(text) and not _is_chore(text)


def _choose(
    sentences: Sequence[str], sources: Sequence[int], centroid: "Matrix", embed: Embed
) -> list[str]:
    """Return up to three sentences, one a source, near the centroid and unlike each other.

    A sentence that denies a chosen one stands right behind it: neither is told without the other.
    """
    vectors = embed(sentences)
    score = 0.7 * (vectors @ centroid) + 0.3 * (vectors @ unit(vectors.mean(axis=0)))
    for i, sentence in enumerate(sentences):
        score[i] -= _CHORE_COSTS * _is_chore(sentence)
        score[i] -= _FRAGMENT_COSTS * (not _is_sentence(sentence))
    order = sorted(range(len(sentences)), key=lambda i: (-round(float(score[i]), 5), sentences[i]))
    chosen: list[int] = []
    for i in order:
        if any(sources[i] == sources[j] for j in chosen):
            continue
        near = [j for j in chosen if float(vectors[i] @ vectors[j]) >= SAME_SENTENCE]
        if not all(near_copies.conflict(sentences[i], sentences[j]) for j in near):
            continue
        taken = {sources[j] for j in (*chosen, i)}
        rivals = (
            j
            for j in order
            if sources[j] not in taken
            and float(vectors[i] @ vectors[j]) >= SAME_SENTENCE
            and near_copies.conflict(sentences[i], sentences[j])
        )
        pair = [i] if near else [i, *itertools.islice(rivals, 1)]
        if len(chosen) + len(pair) <= SENTENCES:
            chosen += pair
        if len(chosen) == SENTENCES:
            break
    return [sentences[i] for i in chosen]


def shorten(text: str) -> str:
    """Return a text fit for a title: on one line, cut at a word when it is long."""
    text = " ".join(text[:_HEADING_LONGEST].split())
    if len(text) <= _TITLE_LONGEST:
        return text
    return text[: _TITLE_LONGEST - 1].rsplit(" ", 1)[0].rstrip(" ,;:.") + "…"
