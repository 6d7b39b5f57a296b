"""What holds in a memory at every commit (contract section 1.6), and what it contains."""

import hashlib
import sqlite3

_NONE_OF_THESE = {
    "integrity": "SELECT * FROM pragma_integrity_check WHERE integrity_check != 'ok'",
    "foreign keys": "SELECT * FROM pragma_foreign_key_check",
    "counts differ": """
        SELECT c.id FROM synthesis_clusters c JOIN concepts p ON p.id = c.synthesized_concept_id
        WHERE c.member_count != (SELECT count(*) FROM synthesis_cluster_members
                                 WHERE cluster_id = c.id)
           OR c.member_count != (SELECT count(*) FROM synthesis_provenance
                                 WHERE synthesized_concept_id = p.id)
           OR c.member_count != p.synthesis_source_count""",
    "types differ": """
        SELECT c.id FROM synthesis_clusters c
        JOIN synthesis_cluster_members m ON m.cluster_id = c.id
        JOIN synthesis_provenance o ON o.synthesized_concept_id = c.synthesized_concept_id
        WHERE m.member_type != c.cluster_type OR o.source_type != c.cluster_type""",
    "member without provenance": """
        SELECT c.id FROM synthesis_clusters c
        JOIN synthesis_cluster_members m ON m.cluster_id = c.id
        WHERE NOT EXISTS (SELECT 1 FROM synthesis_provenance o
            WHERE o.synthesized_concept_id = c.synthesized_concept_id
              AND o.source_id = m.member_id)""",
    "cluster id not shared": """
        SELECT m.member_id FROM synthesis_cluster_members m
        JOIN synthesis_clusters c ON c.id = m.cluster_id JOIN concepts s ON s.id = m.member_id
        WHERE c.cluster_type = 'concept' AND s.synthesis_cluster_id IS NOT c.id""",
    "product outside its cluster": """
        SELECT p.id FROM concepts p WHERE synthesized_at IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM synthesis_clusters c
             WHERE c.id = p.synthesis_cluster_id AND c.synthesized_concept_id = p.id)""",
    "source that is a product": """
        SELECT s.id FROM synthesis_cluster_members m
        JOIN synthesis_clusters c ON c.id = m.cluster_id JOIN concepts s ON s.id = m.member_id
        WHERE c.cluster_type = 'concept' AND s.synthesized_at IS NOT NULL""",
    "pending with a product": """
        SELECT id FROM synthesis_clusters
        WHERE status != 'synthesized' AND synthesized_concept_id IS NOT NULL""",
    "product without its vector, or with two": """
        SELECT p.id FROM concepts p WHERE synthesized_at IS NOT NULL AND
            (SELECT count(*) FROM embeddings e WHERE e.concept_id = p.id) != 1""",
    "leader that does not lead": """
        SELECT i.id FROM dag_items i WHERE leader IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM dag_items l WHERE l.kind = i.kind AND l.id = i.leader
             AND l.leader = l.id)""",
    "concept whose words cannot be searched": """
        SELECT id FROM dag_items WHERE kind = 'concept' AND EXISTS (SELECT 1 FROM concepts
            WHERE concepts.id = dag_items.id) AND id NOT IN (SELECT id FROM dag_text_docsize)""",
    "pair bridged twice": """
        SELECT m.member_id, max(m.id) FROM synthesis_cluster_members m
        WHERE member_type = 'cross' GROUP BY cluster_id HAVING count(*) != 2""",
    "source twice": """
        SELECT cluster_id FROM synthesis_cluster_members WHERE member_type != 'cross'
        GROUP BY cluster_id, member_id HAVING count(*) > 1""",
}


def assert_invariants(connection: sqlite3.Connection) -> None:
    """Fail, naming the invariant and the rows, when the memory breaks one."""
    broken = {
        name: rows
        for name, sql in _NONE_OF_THESE.items()
        if (rows := connection.execute(sql).fetchmany(5))
    }
    assert not broken


def content_hash(connection: sqlite3.Connection) -> dict[str, str]:
    """Return a digest of every table's rows, but for how FTS5 packs the words it indexes."""
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN"
        " ('dag_text_data', 'dag_text_idx') ORDER BY name"
    ).fetchall()
    return {
        name: hashlib.sha256(
            repr(sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))).encode()
        ).hexdigest()
        for (name,) in tables
    }
