"""What memory holds, in numbers that cost the same at a thousand and at a million rows.

Rows of our own table are counted by triggers as they change, in the same commit. HAIOS's tables get
no trigger: their rows are counted in an index without a column.
"""

from haios_dag.memory.bridges import WAITING_PAIR
from haios_dag.memory.database import Database
from haios_dag.memory.items import HIGHEST, TABLES, THERE

_HAIOS = (
    "SELECT (SELECT count(*) FROM concepts) AS concepts,"
    " (SELECT count(*) FROM entities) AS entities,"
    " (SELECT count(*) FROM reasoning_traces) AS traces"
)
_OURS = (
    f"{_HAIOS}, (SELECT count(*) FROM dag_documents) AS documents,"
    " (SELECT count(*) FROM synthesis_clusters WHERE status = 'synthesized'"
    "   AND cluster_type IN ('concept', 'trace')) AS insights,"
    " (SELECT count(*) FROM synthesis_clusters WHERE status = 'synthesized'"
    "   AND cluster_type = 'cross') AS bridges,"
    f" (SELECT count(*) FROM {WAITING_PAIR}) AS waiting_pairs,"
    # These two are counted in their partial indexes.
    " (SELECT count(*) FROM dag_items WHERE model IS NULL"
    "   AND state IN ('live', 'consumed', 'product')) AS unembedded,"
    " (SELECT count(*) FROM dag_items WHERE leader IS NULL AND model IS NOT NULL"
    "   AND state = 'live') AS unconsidered"
)
_STATES = (
    "total((state = 'live') * number) AS live,"
    " total((state = 'boilerplate') * number) AS boilerplate,"
    " total((state = 'orphan') * number) AS orphans, total(embedded * number) AS embedded"
)
# Tells whether every known item is still there, and only those not known yet are not counted: other
# programs may delete rows, and add some. :concepts and :traces are the rows that there are.
_ALL_THERE = " AND ".join(
    f":{kind}s = (SELECT total(number) FROM dag_counts WHERE kind = '{kind}')"
    f" + (SELECT count(*) FROM {table} WHERE id > {HIGHEST[kind]})"
    for kind, table in TABLES.items()
)
_ONE_BY_ONE = (
    f"(SELECT state, model IS NOT NULL AS embedded, 1 AS number FROM dag_items WHERE {THERE})"
)


def counts(database: Database, *, prepared: bool) -> dict[str, int]:
    """Return what `Store.counts` promises; one by one while another program has deleted items."""
    if not prepared:
        return _named(database, _HAIOS)
    found = _named(database, _OURS)
    all_there = database.value(f"SELECT {_ALL_THERE}", found)
    source = "dag_counts" if all_there else _ONE_BY_ONE
    return found | _named(database, f"SELECT {_STATES} FROM {source}")


def _named(database: Database, sql: str) -> dict[str, int]:
    cursor = database.execute(sql)
    names = [column[0] for column in cursor.description]
    return dict(zip(names, map(int, cursor.fetchone()), strict=True))
