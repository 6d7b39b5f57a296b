"""The memory as one object. SQL stands in this package alone."""

from haios_dag.memory import row_counts
from haios_dag.memory.bridges import WAITING_PAIR, Bridges
from haios_dag.memory.database import meaning
from haios_dag.memory.provenance import Origins
from haios_dag.memory.search import Search
from haios_dag.memory.undo import Undo
from haios_dag.memory.vectors import THERE


class Store(Undo, Bridges, Search, Origins):
    """A memory: open it with `Store.open`, use it as a context manager."""

    def counts(self) -> dict[str, int]:
        """Return what the memory holds, for the status.

        `unembedded`, `unconsidered` and `waiting_pairs` are the backlog: items without a vector,
        items with one that are not clustered yet, pairs not yet bridged.
        """
        with meaning(self.path):
            if not self._is_prepared():
                return self._one(
                    "SELECT (SELECT count(*) FROM concepts) AS concepts,"
                    " (SELECT count(*) FROM entities) AS entities,"
                    " (SELECT count(*) FROM reasoning_traces) AS traces"
                )
            rows = self._one(
                "SELECT (SELECT count(*) FROM concepts) AS concepts,"
                " (SELECT count(*) FROM entities) AS entities,"
                " (SELECT count(*) FROM reasoning_traces) AS traces,"
                " (SELECT count(*) FROM dag_documents) AS documents,"
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
            return rows | row_counts.states(self.connection, rows, THERE)

    def _one(self, sql: str) -> dict[str, int]:
        cursor = self.connection.execute(sql)
        return dict(
            zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True)
        )
