"""Each rule finds its pattern, and not what comes close to it."""

import json
from dataclasses import replace

import pytest
from pages import names, page, table
from stories import at, beat, check, done, make, phase, said, session, tell
from zones import local_time

from haios_dag.base import schema
from haios_dag.resonance import beat_rules, compound_rules, rules, translate, work_rules
from haios_dag.resonance.digest import digest
from haios_dag.resonance.story import median, strength


def test_digest() -> None:
    """It counts beats by outcome, products, sessions, items, phases and the rest, since then."""
    story = make(
        beat(-30, "failed"),
        beat(1, ingest={"outcome": "ran", "documents": 12}),
        beat(2, "idle"),
        session(1, "start", 7),
        session(3, "end", 7),
        done(2, "A"),
        phase(2, "A", "DO"),
        check(2, "A"),
        since=0,
    )
    (found,) = digest(replace(story, others=2))
    assert found.says == (
        "2 beats: 1 idle, 1 ok; 12 documents, 10 new bridges; 1 session, half of them within 2.0 h;"
        " 1 item completed: A; 1 phase of 1 item; 3 other events"
    )
    assert [event.when for event in found.evidence] == [at(2), at(2), at(2), at(2), at(3)]


def test_digest_of_nothing() -> None:
    """Where nothing happened there is nothing to tell."""
    assert list(digest(make(beat(-1), since=0))) == []


def test_unblocked_chain() -> None:
    """What a completion freed, and what that freed when it was completed, are one chain."""
    chain = [done(1, "A", "unblock:B", "related:9"), done(5, "B", "unblock:C", "unblock:D")]
    (found,) = compound_rules.unblocked_chain(make(*chain))
    assert found.says == "completing A freed 3 items through 2 completions: B, C, D"
    assert (found.at, [event.item for event in found.evidence]) == (at(5), ["A", "B"])
    (at_once,) = compound_rules.unblocked_chain(make(done(1, "A", "unblock:B", "unblock:C")))
    assert at_once.says == "completing A freed 2 items at once: B, C"
    assert list(compound_rules.unblocked_chain(make(done(1, "A", "unblock:B")))) == []
    before = make(done(5, "A", "unblock:B"), done(1, "B", "unblock:C"))
    assert list(compound_rules.unblocked_chain(before)) == []


def test_chain_in_a_circle_ends() -> None:
    """Items that free each other, as only damage or malice has it, are told once."""
    circle = make(done(1, "A", "unblock:B", "unblock:A"), done(2, "B", "unblock:A", "unblock:C"))
    assert said(list(compound_rules.unblocked_chain(circle))) == [
        "completing A freed 2 items through 2 completions: B, C"
    ]


def test_milestone_moved() -> None:
    """A completion that says by how many points its milestone rose is told."""
    (moved,) = compound_rules.milestone_moved(make(done(1, "A", "milestone:+4", "milestone:+x")))
    assert moved.says == "completing A moved its milestone by 4 points"
    assert [event.item for event in moved.evidence] == ["A"]
    still = make(done(1, "A"), done(2, "B", "milestone:+0"), done(3, "C", "milestone:-4"))
    assert list(compound_rules.milestone_moved(still)) == []


def test_documents_grew_insights() -> None:
    """Documents and the insights of that beat and the two behind it are one wave."""

    def wave(documents: int, later: float, revised: int) -> list[str]:
        story = make(
            beat(0, ingest={"outcome": "ran", "documents": documents}),
            beat(later, synthesize={"outcome": "ran", "revised_insights": revised}),
        )
        return said(list(compound_rules.documents_grew_insights(story)))

    assert wave(5, 1, 3) == ["5 documents changed, and 0 insights came and 3 grew with them"]
    assert wave(4, 1, 3) == []
    assert wave(5, 1, 2) == []
    long = make(
        beat(0, ingest={"outcome": "ran", "documents": 9}),
        *(beat(hour) for hour in (1, 2)),
        beat(3, synthesize={"outcome": "ran", "revised_insights": 3}),
    )
    assert list(compound_rules.documents_grew_insights(long)) == []


def test_stuck() -> None:
    """More than two days in a phase, until it was left or until the newest work."""
    left = make(phase(0, "A", "DO"), phase(10, "A", "DO"), phase(60, "A", "CHECK"))
    assert said(list(work_rules.stuck(left))) == ["A was in DO for 2.5 days"]
    still = make(phase(0, "A", "DO"), session(72, "start", 1))
    assert said(list(work_rules.stuck(still))) == ["A has been in DO for 3.0 days"]
    assert list(work_rules.stuck(make(phase(0, "A", "DO"), phase(47, "A", "CHECK")))) == []
    assert (
        list(work_rules.stuck(make(phase(0, "A", "DO"), done(47, "A"), session(99, "start", 1))))
        == []
    )
    assert list(work_rules.stuck(make(phase(0, "A", "DONE"), session(99, "start", 1)))) == []


def test_nothing_is_stuck_while_all_work_rests() -> None:
    """Beats alone do not make an item stuck: the writer of phases may have stopped."""
    assert list(work_rules.stuck(make(phase(0, "A", "DO"), beat(99)))) == []


def test_stuck_days_are_a_setting() -> None:
    """`[resonance] stuck_days` decides."""
    told = phase(0, "A", "DO"), phase(60, "A", "CHECK")
    assert list(work_rules.stuck(make(*told, stuck_days=3))) == []


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        (["PLAN", "DO", "CHECK", "DONE", "CHAIN"], None),
        (["EXPLORE", "HYPOTHESIZE", "VALIDATE", "CONCLUDE"], None),
        (["HYPOTHESIZE", "EXPLORE", "CONCLUDE"], None),
        (["DO", "CHECK", "DO", "CHECK", "DONE"], None),
        (["PLAN", "SOMETHING", "DONE"], None),
        (["PLAN", "DO", "DONE"], "A went from DO to DONE without CHECK"),
        (["PLAN", "CHECK"], "A went from PLAN to CHECK without DO"),
        (["PLAN", "DO", "CHAIN"], "A went from DO to CHAIN without CHECK, DONE"),
        (["EXPLORE", "COMPLETE"], "A went from EXPLORE to COMPLETE without SPECIFY, CRITIQUE"),
    ],
)
def test_skipped_phase(phases: list[str], said: str | None) -> None:
    """A step over a phase of a cycle is one, unless another cycle has it like that."""
    story = make(*(phase(hour, "A", name) for hour, name in enumerate(phases)))
    assert [one.says for one in work_rules.skipped_phase(story)] == ([said] if said else [])


def test_skipped_phase_as_the_event_says() -> None:
    """The phase that an event says was left counts more than the one before it in the log."""
    (found,) = work_rules.skipped_phase(make(phase(0, "A", "DONE", before="PLAN")))
    assert found.says == "A went from PLAN to DONE without DO, CHECK"
    assert (
        list(work_rules.skipped_phase(make(phase(0, "A", "PLAN"), phase(1, "A", "DONE", "CHECK"))))
        == []
    )


def test_orphan_session() -> None:
    """A start without an end is one when a later session has begun."""
    told = [
        session(0, "start", 1), session(1, "end", 1), session(2, "start", 2),
        session(4, "start", 3), session(5, "end", 3), session(6, "start", 4),
    ]  # fmt: skip
    (found,) = work_rules.orphan_session(make(*told))
    assert found.says == "session 2 never ended; session 3 began after it"
    assert found.at == at(4)
    unnumbered = [session(0, "start", 1), session(1, "end", 0), session(2, "start", 2)]
    assert list(work_rules.orphan_session(make(*unnumbered))) == []
    twice = [session(0, "start", 1), session(1, "start", 1), session(9, "end", 1)]
    assert list(work_rules.orphan_session(make(*twice, session(10, "start", 2)))) == []


def test_no_orphans_if_ends_are_not_written() -> None:
    """Without any end, or with none for two weeks, the ends are not written any more."""
    starts = [session(day * 24, "start", 1 + day) for day in range(20)]
    assert list(work_rules.orphan_session(make(*starts))) == []
    found = list(work_rules.orphan_session(make(*starts, session(1, "end", 1))))
    assert len(found) == 14


def test_closures_without_checks() -> None:
    """Three unchecked completions within ten minutes, where checks are written at all."""
    burst = [done(10, "A"), done(10.05, "B"), done(10.15, "C"), done(10.16, "C")]
    elsewhere = check(0, "Z")
    (found,) = work_rules.closures_without_checks(make(*burst, elsewhere))
    assert found.says == "3 items were completed within 9 min unchecked: A, B, C"
    assert list(work_rules.closures_without_checks(make(*burst))) == []
    assert list(work_rules.closures_without_checks(make(*burst, check(9, "B")))) == []
    assert list(work_rules.closures_without_checks(make(*burst, phase(9, "B", "CHECK")))) == []
    assert list(work_rules.closures_without_checks(make(*burst, elsewhere, check(9, "B", "block"))))
    slow = [done(10, "A"), done(10.1, "B"), done(10.2, "C")]
    assert list(work_rules.closures_without_checks(make(*slow, elsewhere))) == []


def test_failing_gate() -> None:
    """Three refusals of one item by one gate in a row; a pass between starts a new count."""
    refused = [check(hour, "A", "block") for hour in range(2)]
    violation = tell(3, "GateViolation", gate_id="dod", work_id="A", violation_type="warn")
    (found,) = work_rules.failing_gate(make(*refused, violation, check(4, "A")))
    assert found.says == "gate dod did not pass A 3 times in a row"
    assert list(work_rules.failing_gate(make(*refused, check(2, "A"), violation))) == []
    assert list(work_rules.failing_gate(make(*refused, check(3, "B", "block")))) == []


def test_failing_step() -> None:
    """Three failures without a success between."""
    three = [beat(hour, "degraded", embed="failed") for hour in (0, 1, 3)]
    (found,) = beat_rules.failing_step(make(*three, beat(2, embed="not reached")))
    assert found.says == "embed has failed in 3 beats in a row, last with: no room"
    (over,) = beat_rules.failing_step(make(*three, beat(4, embed="ran")))
    assert over.says.startswith("embed failed in 3 beats")
    for well in ("ran", "skipped"):
        assert list(beat_rules.failing_step(make(*three, beat(2, embed=well)))) == []


def test_slower_beats() -> None:
    """The medians of a week and the one before are compared, those of like beats."""

    def weeks(before: float, after: float, count: int = 10, outcome: str = "ok") -> list[str]:
        told = [beat(-number, "ok", after) for number in range(count)]
        told += [beat(-168 - number, outcome, before) for number in range(count)]
        return said(list(beat_rules.slower_beats(make(*told))))

    assert weeks(1.0, 1.5) == ["ok beats took 1.5 s, 1.0 s in the week before"]
    assert weeks(1.0, 1.4) == []
    assert weeks(0.1, 0.5) == []
    assert weeks(1.0, 9.0, count=9) == []
    assert weeks(1.0, 9.0, outcome="idle") == []


def test_gap() -> None:
    """Three missed beats are one, two are none; the silence until now counts."""
    regular = [beat(hour) for hour in range(6)]
    (found,) = beat_rules.gap(make(*regular, beat(9), now=9))
    assert found.says == "no beat came for 4.0 h, and 3 were missed"
    assert list(beat_rules.gap(make(*regular, beat(8), now=8))) == []
    (silence,) = beat_rules.gap(make(*regular, now=9))
    assert (silence.at, len(silence.evidence)) == (at(9), 1)
    assert list(beat_rules.gap(make(*regular, now=8.9))) == []
    assert list(beat_rules.gap(make(*(beat(hour * 12) for hour in range(6)), now=60))) == []


def test_active_hours() -> None:
    """The fewest hours of the local day that hold four fifths of the work, also over midnight."""
    hours = range(9, 14)  # after noon
    told = [done(24 * day + hour, f"{day}-{hour}") for day in range(6) for hour in hours]
    with local_time("UTC"):
        (found,) = beat_rules.active_hours(make(*told))
    assert found.says == "80% of 30 events of work lie between 21:00 and 1:00"
    with local_time("Asia/Tokyo"):
        (found,) = beat_rules.active_hours(make(*told))
    assert found.says == "80% of 30 events of work lie between 6:00 and 10:00"
    spread = [done(hour, str(hour)) for hour in range(48)]
    assert list(beat_rules.active_hours(make(*spread))) == []
    assert list(beat_rules.active_hours(make(*told[:19]))) == []


def test_strength() -> None:
    """It is the base at the threshold, grows with what there is, and stays below its limit."""
    assert strength(0.4, 3, 3) == strength(0.4, 1, 3) == 0.4
    assert strength(0.4, 6, 3, 0.6) == 0.5
    assert strength(0.4, 10**9, 3) == 0.99


def test_median() -> None:
    """Of an odd and an even number of values, in any order."""
    assert [median(values) for values in ([3], [9, 1, 2], [4, 1, 3, 2])] == [3, 2, 2.5]


def test_findings_are_strongest_first_and_since() -> None:
    """What ended before the instant is left out, though it was read."""
    story = make(
        *(beat(hour, "degraded", embed="failed") for hour in (-90, -89, -88)),
        *(beat(hour, "degraded", bridge="failed", embed="skipped") for hour in (1, 2, 3)),
        phase(1, "A", "PLAN"),
        phase(2, "A", "DONE"),
        since=0,
        now=3,
    )
    found = rules.findings(story)
    assert [one["rule"] for one in found] == ["digest", "gap", "failing-step", "skipped-phase"]


def test_every_finding_has_its_schema() -> None:
    """A finding of each rule validates; the schema names each rule and family, and no others."""
    assert schema.load("resonance")["properties"]["rule"]["enum"] == list(rules.RULES)
    families = schema.load("resonance")["properties"]["family"]["enum"]
    assert families == list(dict.fromkeys(family for family, _ in rules.RULES.values()))
    story = make(
        *(beat(hour, "degraded", embed="failed") for hour in range(9)),
        *(done(20, str(number), "unblock:X", "unblock:Y") for number in range(9)),
        now=30,
    )
    found = rules.findings(story)
    assert len(found) > 10
    for one in found:
        schema.validate("resonance", json.loads(json.dumps(one)))
        assert 1 <= len(one["evidence"]) <= 6


@pytest.mark.parametrize("name", rules.RULES)
def test_nothing_makes_a_rule_fail(name: str) -> None:
    """Events with any values, in any order, and no events at all."""
    strange: list[object] = [None, True, 0, -1, 1e300, "", "x" * 999, [], [None], {}, {"a": []}]
    _, rule = rules.RULES[name]
    told = [
        tell(hour % 7, kind, **dict.fromkeys(KEYS, value))
        for hour, value in enumerate(strange)
        for kind in [*sorted(translate.TYPES), "unknown"]
    ]
    list(rule(make(*told)))
    list(rule(make()))


def test_every_known_type_is_on_the_page() -> None:
    """The page of resonance names each type of event that the rules know, and no other."""
    head = ("what", "event log", "governance log")
    told = {name for row in table(page("resonance"), *head) for name in names(row)}
    assert told == translate.TYPES


KEYS = (
    "steps outcome seconds new_insights new_bridges beat id source effects work_id to from items"
    " backlog_id from_phase to_phase phase action session gate gate_id result"
).split()
