"""The text of statements: cleaned, kept or dropped, cut, typed and masked.

Every pattern here is linear in the length of its text, which may be hostile and is not bounded.
"""

import re
from collections.abc import Iterator

MAX_STATEMENT = 2_000  # characters
MIN_WORDS = 6

# Controls, lone surrogates and direction overrides: a terminal or a database would act on them.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]"
)


def without_controls(text: str) -> str:
    """Return text with a blank for every control (but tab and LF) and every lone surrogate."""
    return _UNPRINTABLE.sub(" ", text)


def one_line(text: str) -> str:
    """Return text without controls on one line, with single blanks."""
    return " ".join(without_controls(text).split())


# Every pattern that looks for marks steps over code spans by matching them first.
_CHECKBOX = re.compile(r"\A(\s*)\[[ xX~/-]\][ \t]+")
_COMMENT = re.compile(r"`[^`]*`|<!--.*?(?:-->|\Z)|<br[ \t]*/?>", re.DOTALL)
_LINK = re.compile(r"`[^`]*`|(!?)\[([^\[\]]*)\]\((?:[^()\n]|\([^()\n]*\))*\)")
# Stricter than CommonMark: a lone star at a glob, as in *.md and INV-*, stays.
_STARS = re.compile(
    r"`[^`]*`|(?<![\w*\\.-])(?:"
    r"(\*\*\*?)(?=[^\s*,;)\]/])((?:[^*`]|`[^`]*`)*)(?<=[^\s*])\1"
    r"|\*(?=[^\s*.,;:)\]/])((?:[^*`]|`[^`]*`)*)(?<=[^\s*/(-])\*"
    r")(?![\w*])"
)
_UNDERSCORES = re.compile(r"`[^`]*`|(?<![\w\\])(_{1,2})([^\s_`][^_`]*)(?<=[^\s_])\1(?!\w)")


def clean(raw: str) -> str:
    """Return the words of a paragraph without its Markdown; every line end stays.

    Links become their text, images and comments go, emphasis and check boxes lose their marks.
    Code spans stay as written, and so does every number, name and negation.
    """
    text = _CHECKBOX.sub(r"\1", raw) if "[" in raw else raw
    if "<" in text:
        text = _COMMENT.sub(_blank, text)
    if "](" in text:
        text = _LINK.sub(_link_text, text)
    for _ in range(3):  # emphasis inside emphasis
        if "*" not in text:
            break
        text = _STARS.sub(_emphasized, text)
    if "_" in text:
        text = _UNDERSCORES.sub(_underscored, text)
    return text


def _blank(found: re.Match[str]) -> str:
    if found[0][0] == "`" or found[0][-1] != ">":  # code, or a comment that never ends
        return found[0]
    return " " + "\n" * found[0].count("\n")


def _link_text(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    return "\n" * found[2].count("\n") if found[1] else found[2]


def _emphasized(found: re.Match[str]) -> str:
    return found[2] or found[3] or found[0]


def _underscored(found: re.Match[str]) -> str:
    """Return the text of an emphasis; without a blank in it, it may be a name like __init__."""
    return found[2] if found[1] and " " in found[2] else found[0]


def extract(block: str) -> Iterator[tuple[str, int]]:
    """Yield (statement, 0-based line in the block) for what a paragraph's raw text says in words.

    Lists of links, lead-ins, label lines and blanks to be filled in are left out. A statement has
    one line and at most MAX_STATEMENT characters.
    """
    if "](" in block and _words(_LINK.sub(" ", block)) < MIN_WORDS // 2:
        return
    text = clean(block)
    if text.rstrip().endswith(":"):  # it introduces what follows
        ends = [found.end() for found in _SENTENCE_END.finditer(text)]
        text = text[: ends[-1]] if ends else ""
    if not _is_statement(text):
        return
    line = counted = 0
    for start, end in _pieces(text):
        line, counted = line + text.count("\n", counted, start), start
        yield one_line(text[start:end]), line


_INK = re.compile(r"\S")
_SENTENCE_END = re.compile(r"[.!?][\"'\u201d\u2019)\]]*(?=\s)|[\u3002\uff01\uff1f]")


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of pieces up to MAX_STATEMENT characters, cut at sentence ends if any."""
    start = 0
    while found := _INK.search(text, start):
        start = found.start()
        end = start + MAX_STATEMENT
        if end < len(text):
            window = text[start:end]
            ends = [found.end() for found in _SENTENCE_END.finditer(window)]
            cut = ends[-1] if ends else max(window.rfind(" "), window.rfind("\n"))
            end = start + cut if cut > 0 else end
        yield start, end
        start = end


_CODE = re.compile(r"`[^`]*`")
_BLANKS = re.compile(r"\[[^\[\]\s]+\s[^\[\]]*\]|<[^<>]*>")  # "[what is to be filled in]"
_WORD = re.compile(
    r"(?<![\w./\\-])[^\W\d_]{2,}(?![\w/\\]|\.\w)"
    r"|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"  # scripts without blanks between words
)
_LETTER = re.compile(r"\w")
_CALL = re.compile(r"[\w.]+\([^)]*\w=")


def _words(text: str) -> int:
    return len(_WORD.findall(_BLANKS.sub(" ", _CODE.sub(" ", text))))


def _is_statement(text: str) -> bool:
    """Tell whether it says something in words: no strike-through, placeholder or unfenced code."""
    text = text.lstrip()
    if "{{" in text or text.startswith("~~") or _CALL.match(text):
        return False
    first_line = text.split("\n", 1)[0]
    return bool(_LETTER.search(first_line)) and _words(text) >= MIN_WORDS


# What a statement is, told by its form alone: the first rule that is found decides.
_START = r"\A\W{0,9}"


def _rule(name: str, *pattern: str) -> tuple[str, re.Pattern[str]]:
    return name, re.compile("".join(pattern), re.IGNORECASE)


def _label(name: str, *words: str) -> tuple[str, re.Pattern[str]]:
    """Return the rule of a label that the author put in front."""
    return _rule(name, _START, r"(?:[^\W\d]+ )?(?:", *words, r")\b[^.:]{0,30}:")


_KINDS = (
    _label("Decision", r"decision|decided|choice|verdict|resolution"),
    _label(
        "Critique",
        r"problems?|issues?|bugs?|gaps?|risks?|root cause|limitations?|concerns?|drift",
        r"|anti-pattern|failure|symptom|blocker|defect|critique|cons?|warning|missing|weakness",
        r"|friction|debt",
    ),
    _label(
        "Proposal",
        r"proposals?|proposed|recommendations?|recommended|suggestions?|ideas?|option|hypothesis",
        r"|alternatives?|next steps?",
    ),
    # a hypothesis or a question is put forward, not known
    _rule("Proposal", _START, r"h\d+ ?:|\?\Z"),
    _label("Directive", r"must|must not|should|rule|requirement|constraint|action"),
    # a choice made
    _rule(
        "Decision",
        r"\b(?:decided|chose|chosen|opted|adopted|ratified|ruled out|we will",
        r"|(?:was|were|is|are|been|operator|we) (?:approved|accepted|rejected|deferred|selected)",
        r"|(?:approved|accepted|rejected|deferred) (?:by|because|in favou?r|as|to))\b",
    ),
    # a report of what was done says no more than that
    _rule(
        "Episteme",
        _START,
        r"(?:added|fixed|created|updated|closed|implemented|completed|resolved|removed|verified",
        r"|migrated|moved|renamed|replaced|extended|established|wrote|built|ran|documented|audited",
        r"|captured|stored|refactored)\b",
    ),
    # what has to be done
    _rule(
        "Directive",
        r"\b(?:must|shall|should|mandatory|required|prohibited|forbidden|ha(?:s|ve) to",
        r"|needs? to)\b|(?:\A|[.;:—]\s)\W{0,9}(?:never|always|do not|don't|avoid|ensure)\b",
    ),
    _rule(
        "Directive",
        _START,
        r"(?:step \d+: )?(?:add|use|run|create|update|verify|check|read|write|call|keep|set|remove",
        r"|replace|define|move|rename|extend|implement|delete|include|return|parse|load|find|follow",
        r"|apply|modify|confirm|identify|provide|generate|extract|validate|display|investigate|ask",
        r"|track|treat|prefer|let|give|go|see|insert|configure|enable|disable|enforce|migrate",
        r"|consolidate|integrate|spawn|assess|invoke|analy[sz]e|clarify|scan|show|grep|wire|make",
        r"|(?:complete|close|start|stop|place|test|fix|change|store|query|document|review|search",
        r"|design|audit|commit|list|log|report)",
        r" (?:the|a|an|all|any|each|every|for|this|these|existing|new|if|that|whether))\b(?!:)",
    ),
    # what might be done
    _rule(
        "Proposal",
        r"\b(?:could|might|would|propos(?:e|es|ed|al|als)|recommend(?:s|ed|ation|ations)?",
        r"|suggest(?:s|ed|ion|ions)?|consider|perhaps|maybe|plan to|want to|potentially",
        r"|alternatively)\b",
    ),
    # what is wrong
    _rule(
        "Critique",
        r"\b(?<!\bno )(?<!\b0 )(?<!zero )(?:fail(?:s|ed|ing|ure|ures)?|bugs?|broken?|breaks",
        r"|missing|wrong|incorrect(?:ly)?|stale|lacks?|lacking|cannot|can't|does(?: not|n't)",
        r"|did(?: not|n't)|isn't|aren't|wasn't|no longer|gaps?(?! analysis)|conflicts?|conflicting",
        r"|problems?|problematic|risks?|risky|violat(?:es?|ed|ing|ions?)",
        r"|inconsisten(?:t|tly|cy|cies)|bypass(?:es|ed)?|unused|dead|silent(?:ly)?|never",
        r"|insufficient|bottlenecks?|debt|drift(?:s|ed)?|overhead|brittle|fragile|unclear|garbage",
        r"|too \w+)\b",
    ),
)


def kind(text: str) -> str:
    """Return a statement's type, a name of HAIOS's; Episteme, plain knowledge, is what remains."""
    return next((name for name, rule in _KINDS if rule.search(text)), "Episteme")


_MASKED = re.compile(
    r"`[^`]*`"  # code
    r"|(?<![\w./\\:-])(?:[^\W\d_]|[_.:-])*[\d/\\][\w./\\:-]*"  # ids, numbers, dates, paths
    r"|(?<![\w.-])[\w-]+(?:\.\w[\w-]*)+"  # file names
)


def form(text: str) -> str:
    """Return a statement in lower case with `#` for ids, numbers, dates, code and paths."""
    return _MASKED.sub("#", one_line(text)).lower()
