-- Files without a head are read again: their content counts as changed.
UPDATE artifacts SET file_hash = ''
    WHERE id IN (SELECT artifact_id FROM dag_documents WHERE head IS NULL);
UPDATE dag_documents SET mtime_ns = 0, head = 'null' WHERE head IS NULL;
