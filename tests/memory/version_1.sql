-- A memory as the version 1 of its tables left it, after two beats: written by commit e12baa5.
-- The vectors are left out, and so is the word index; `test_migrations` makes both.
CREATE TABLE agent_registry (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    description TEXT,
    type TEXT NOT NULL,
    capabilities JSON,
    tools JSON,
    input_schema JSON,
    output_schema JSON,
    status TEXT DEFAULT 'active',
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_path TEXT NOT NULL UNIQUE,
    file_hash TEXT NOT NULL,
    last_processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    version INTEGER DEFAULT 1,
    space_id TEXT
);
INSERT INTO "artifacts" VALUES(1,'docs/lock-1.md','6c6013aa86c2d725f739adc400068fb92519d4f41d66701d82b96291c009fb09','2026-11-28 20:05:51',1,NULL);
INSERT INTO "artifacts" VALUES(2,'docs/lock-2.md','a13f241370b38dd7fa58feb6e1a47582765d9426ffcaf7d182dc4c6d176efc2c','2026-11-28 20:05:51',1,NULL);
INSERT INTO "artifacts" VALUES(3,'docs/lock-3.md','451d3fe797e05fc9fb74b1805c6cee18446db56f21042762e0dc913d42228659','2026-11-28 20:05:56',1,NULL);
INSERT INTO "artifacts" VALUES(4,'docs/plan-1.md','bdb8b36e60924b297dd2410a0dd4b19bad9d09a07be6817de24cb98b15886ec0','2026-11-28 20:05:56',1,NULL);
INSERT INTO "artifacts" VALUES(5,'docs/plan-2.md','d557fa214dc1dc8d36c0692e85b469c69a5bf112e152a546813a758ca73a983a','2026-11-28 20:05:56',1,NULL);
INSERT INTO "artifacts" VALUES(6,'traces/lock.jsonl','50a6b673a6778d264d2ad757d8acea6854ba26e39125840f26e7c571c172e2a1','2026-11-28 20:05:56',1,NULL);
CREATE TABLE concept_occurrences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    concept_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    line_number INTEGER,
    context_snippet TEXT
);
INSERT INTO "concept_occurrences" VALUES(1,1,1,3,'What we learned about locking');
INSERT INTO "concept_occurrences" VALUES(2,2,2,3,'Notes');
INSERT INTO "concept_occurrences" VALUES(3,2,3,5,'Notes');
INSERT INTO "concept_occurrences" VALUES(4,3,5,3,'Later');
INSERT INTO "concept_occurrences" VALUES(5,4,6,3,'Plans');
INSERT INTO "concept_occurrences" VALUES(6,5,7,3,'Plans');
CREATE TABLE concepts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    content TEXT NOT NULL,
    source_adr TEXT,
    synthesis_source_count INTEGER DEFAULT 0,
    synthesis_confidence REAL,
    synthesized_at TIMESTAMP,
    synthesis_cluster_id INTEGER
);
INSERT INTO "concepts" VALUES(1,'Episteme','SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock.',NULL,0,NULL,NULL,1);
INSERT INTO "concepts" VALUES(2,'Episteme','The ingester crashed because the SQLite database was locked by a long synthesis run.',NULL,0,NULL,NULL,1);
INSERT INTO "concepts" VALUES(3,'Episteme','Bananas ripen faster beside apples in a closed paper bag.',NULL,0,NULL,NULL,NULL);
INSERT INTO "concepts" VALUES(4,'SynthesizedInsight','[What we learned about locking] A long synthesis holds the SQLite write lock, so the ingester crashes on a locked database. SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock. The ingester crashed because the SQLite database was locked by a long synthesis run.','virtual:synthesis',3,0.6,'2026-11-28T20:05:58.702682',1);
INSERT INTO "concepts" VALUES(5,'Episteme','A long synthesis holds the SQLite write lock, so the ingester crashes on a locked database.',NULL,0,NULL,NULL,1);
INSERT INTO "concepts" VALUES(6,'Critique','Reviewing the plan before the work starts saves days of work on the wrong plan.',NULL,0,NULL,NULL,2);
INSERT INTO "concepts" VALUES(7,'Directive','The review of a plan must come before the work on it starts, not after the work.',NULL,0,NULL,NULL,2);
INSERT INTO "concepts" VALUES(8,'SynthesizedInsight','[The review of a plan must come before the work on it starts, not after the work.] The review of a plan must come before the work on it starts, not after the work. Reviewing the plan before the work starts saves days of work on the wrong plan.','virtual:synthesis',2,0.3617,'2026-11-28T20:05:58.703570',2);
INSERT INTO "concepts" VALUES(9,'SynthesizedInsight','[Busy timeout for the ingester] SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock. In practice: A busy timeout on the SQLite lock stopped the crash of the ingester during a long synthesis.','virtual:synthesis',2,0.7612,'2026-11-28T20:05:58.873462',3);
INSERT INTO "concepts" VALUES(10,'SynthesizedInsight','[Busy timeout for the ingester] A long synthesis holds the SQLite write lock, so the ingester crashes on a locked database. In practice: A busy timeout on the SQLite lock stopped the crash of the ingester during a long synthesis.','virtual:synthesis',2,0.7011,'2026-11-28T20:05:58.882849',4);
INSERT INTO "concepts" VALUES(11,'SynthesizedInsight','[Busy timeout for the ingester] The ingester crashed because the SQLite database was locked by a long synthesis run. In practice: A busy timeout on the SQLite lock stopped the crash of the ingester during a long synthesis.','virtual:synthesis',2,0.6541,'2026-11-28T20:05:58.883124',5);
CREATE TABLE dag_bridges (
    concept_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    trace_id INTEGER NOT NULL REFERENCES reasoning_traces (id) ON DELETE CASCADE,
    similarity REAL,
    insight_id INTEGER REFERENCES concepts (id) ON DELETE CASCADE,
    PRIMARY KEY (concept_id, trace_id)
) WITHOUT ROWID;
INSERT INTO "dag_bridges" VALUES(1,1,0.761235,9);
INSERT INTO "dag_bridges" VALUES(2,1,0.654109,11);
INSERT INTO "dag_bridges" VALUES(5,1,0.70108,10);
CREATE TABLE dag_clusters (
    kind TEXT NOT NULL,
    leader INTEGER NOT NULL,
    cluster_id INTEGER NOT NULL UNIQUE REFERENCES synthesis_clusters (id) ON DELETE CASCADE,
    PRIMARY KEY (kind, leader)
) WITHOUT ROWID;
INSERT INTO "dag_clusters" VALUES('concept',1,1);
INSERT INTO "dag_clusters" VALUES('concept',6,2);
CREATE TABLE dag_counts (
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    embedded INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, state, embedded)
) WITHOUT ROWID;
INSERT INTO "dag_counts" VALUES('concept','boilerplate',0,0);
INSERT INTO "dag_counts" VALUES('concept','boilerplate',1,0);
INSERT INTO "dag_counts" VALUES('concept','consumed',0,0);
INSERT INTO "dag_counts" VALUES('concept','consumed',1,0);
INSERT INTO "dag_counts" VALUES('concept','live',0,0);
INSERT INTO "dag_counts" VALUES('concept','live',1,6);
INSERT INTO "dag_counts" VALUES('concept','orphan',0,0);
INSERT INTO "dag_counts" VALUES('concept','orphan',1,0);
INSERT INTO "dag_counts" VALUES('concept','product',0,0);
INSERT INTO "dag_counts" VALUES('concept','product',1,5);
INSERT INTO "dag_counts" VALUES('trace','boilerplate',0,0);
INSERT INTO "dag_counts" VALUES('trace','boilerplate',1,0);
INSERT INTO "dag_counts" VALUES('trace','consumed',0,0);
INSERT INTO "dag_counts" VALUES('trace','consumed',1,0);
INSERT INTO "dag_counts" VALUES('trace','live',0,0);
INSERT INTO "dag_counts" VALUES('trace','live',1,1);
INSERT INTO "dag_counts" VALUES('trace','orphan',0,0);
INSERT INTO "dag_counts" VALUES('trace','orphan',1,0);
INSERT INTO "dag_counts" VALUES('trace','product',0,0);
INSERT INTO "dag_counts" VALUES('trace','product',1,0);
CREATE TABLE dag_documents (
    artifact_id INTEGER PRIMARY KEY REFERENCES artifacts (id) ON DELETE CASCADE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    head TEXT
);
INSERT INTO "dag_documents" VALUES(1,123,1795896350012723981,1795896350012723981,'null');
INSERT INTO "dag_documents" VALUES(2,153,1795896350012723981,1795896350012723981,'null');
INSERT INTO "dag_documents" VALUES(3,101,0,1795896355058724665,'null');
INSERT INTO "dag_documents" VALUES(4,89,0,1795896355058724665,'null');
INSERT INTO "dag_documents" VALUES(5,90,0,1795896355058724665,'null');
INSERT INTO "dag_documents" VALUES(6,256,0,1795896355058724665,'null');
CREATE TABLE dag_items (
    kind TEXT NOT NULL CHECK (kind IN ('concept', 'trace')),
    id INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('live', 'orphan', 'boilerplate', 'consumed', 'product')),
    text_hash BLOB NOT NULL,
    form TEXT,
    model TEXT,
    leader INTEGER,
    similarity REAL,
    bridged INTEGER NOT NULL DEFAULT 0,
    beat TEXT,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
INSERT INTO "dag_items" VALUES('concept',1,'live',X'800908341F440E6AC5E4038797F58BA9','sqlite needs a busy timeout, or the ingester crashes when synthesis holds the write lock.','wordllama-0.4.0.post1-256+words-512',1,1.0,1,'20261128T200550-b8bebd62');
INSERT INTO "dag_items" VALUES('concept',2,'live',X'6EA38EED291BABBA82C37B8F5872BF3B','the ingester crashed because the sqlite database was locked by a long synthesis run.','wordllama-0.4.0.post1-256+words-512',1,0.595644,1,'20261128T200550-b8bebd62');
INSERT INTO "dag_items" VALUES('concept',3,'live',X'14B23682DA20958C0B4C5BC2F8BBA351','bananas ripen faster beside apples in a closed paper bag.','wordllama-0.4.0.post1-256+words-512',3,1.0,1,'20261128T200550-b8bebd62');
INSERT INTO "dag_items" VALUES('concept',4,'product',X'C51AEC81B3CDE479B1B3FED0AACF5CB8',NULL,'wordllama-0.4.0.post1-256+words-512',NULL,NULL,0,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('concept',5,'live',X'A1468BBDFA23DF3A1F75E3AF20B8703E','a long synthesis holds the sqlite write lock, so the ingester crashes on a locked database.','wordllama-0.4.0.post1-256+words-512',1,0.778287,1,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('concept',6,'live',X'8CA8569096682CBFEEBB295645CE8ECA','reviewing the plan before the work starts saves days of work on the wrong plan.','wordllama-0.4.0.post1-256+words-512',6,1.0,1,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('concept',7,'live',X'F328C74C75CDD8FED49DE30E87A6282A','the review of a plan must come before the work on it starts, not after the work.','wordllama-0.4.0.post1-256+words-512',6,0.660805,1,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('concept',8,'product',X'3D526468778CCB2280BF5E548A1486E6',NULL,'wordllama-0.4.0.post1-256+words-512',NULL,NULL,0,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('concept',9,'product',X'AA58A7C84925C2C2BE078A3876B27E28',NULL,'wordllama-0.4.0.post1-256+words-512',NULL,NULL,0,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('concept',10,'product',X'C4F88DB29E62512D01DFD58ED391B08E',NULL,'wordllama-0.4.0.post1-256+words-512',NULL,NULL,0,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('concept',11,'product',X'97A9C413A38784E3D7F0AEF70430C1AC',NULL,'wordllama-0.4.0.post1-256+words-512',NULL,NULL,0,'20261128T200555-b5f82828');
INSERT INTO "dag_items" VALUES('trace',1,'live',X'4A6C55C89A83F1B96545501D948DB9FD',NULL,'wordllama-0.4.0.post1-256+words-512',1,1.0,1,'20261128T200555-b5f82828');
CREATE TABLE dag_meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "dag_meta" VALUES('clusters','5');
INSERT INTO "dag_meta" VALUES('space','wordllama-0.4.0.post1-256+words-512');
INSERT INTO "dag_meta" VALUES('version','1');
CREATE TABLE dag_revisions (
    insight_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    content TEXT NOT NULL,
    sources INTEGER NOT NULL,
    method TEXT NOT NULL,
    reason TEXT NOT NULL,
    beat TEXT,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (insight_id, revision)
) WITHOUT ROWID;
INSERT INTO "dag_revisions" VALUES(4,1,'[What we learned about locking] SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock. The ingester crashed because the SQLite database was locked by a long synthesis run.',2,'extractive','2 new concepts','20261128T200550-b8bebd62','2026-11-28 20:05:53');
INSERT INTO "dag_revisions" VALUES(4,2,'[What we learned about locking] A long synthesis holds the SQLite write lock, so the ingester crashes on a locked database. SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock. The ingester crashed because the SQLite database was locked by a long synthesis run.',3,'extractive','1 new concepts','20261128T200555-b5f82828','2026-11-28 20:05:58');
INSERT INTO "dag_revisions" VALUES(8,1,'[The review of a plan must come before the work on it starts, not after the work.] The review of a plan must come before the work on it starts, not after the work. Reviewing the plan before the work starts saves days of work on the wrong plan.',2,'extractive','2 new concepts','20261128T200555-b5f82828','2026-11-28 20:05:58');
INSERT INTO "dag_revisions" VALUES(9,1,'[Busy timeout for the ingester] SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock. In practice: A busy timeout on the SQLite lock stopped the crash of the ingester during a long synthesis.',2,'extractive','similarity 0.76','20261128T200555-b5f82828','2026-11-28 20:05:58');
INSERT INTO "dag_revisions" VALUES(10,1,'[Busy timeout for the ingester] A long synthesis holds the SQLite write lock, so the ingester crashes on a locked database. In practice: A busy timeout on the SQLite lock stopped the crash of the ingester during a long synthesis.',2,'extractive','similarity 0.70','20261128T200555-b5f82828','2026-11-28 20:05:58');
INSERT INTO "dag_revisions" VALUES(11,1,'[Busy timeout for the ingester] The ingester crashed because the SQLite database was locked by a long synthesis run. In practice: A busy timeout on the SQLite lock stopped the crash of the ingester during a long synthesis.',2,'extractive','similarity 0.65','20261128T200555-b5f82828','2026-11-28 20:05:58');
CREATE TABLE dag_trace_vectors (
    trace_id INTEGER PRIMARY KEY REFERENCES reasoning_traces (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL
);
INSERT INTO "dag_trace_vectors" VALUES(1,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768);
CREATE TABLE dag_traces (
    trace_id INTEGER PRIMARY KEY REFERENCES reasoning_traces (id) ON DELETE CASCADE,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    UNIQUE (artifact_id, key)
);
INSERT INTO "dag_traces" VALUES(1,6,'7');
CREATE TABLE dag_undo (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    change TEXT NOT NULL,
    field TEXT,
    before BLOB,
    after BLOB
);
INSERT INTO "dag_undo" VALUES(1,'concepts','','counter',NULL,7,NULL);
INSERT INTO "dag_undo" VALUES(2,'synthesis_clusters','','counter',NULL,1,NULL);
INSERT INTO "dag_undo" VALUES(3,'synthesis_cluster_members','','counter',NULL,2,NULL);
INSERT INTO "dag_undo" VALUES(4,'synthesis_provenance','','counter',NULL,2,NULL);
INSERT INTO "dag_undo" VALUES(5,'embeddings','','counter',NULL,7,NULL);
INSERT INTO "dag_undo" VALUES(6,'dag_items','','counter',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(7,'dag_clusters','','counter',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(8,'dag_revisions','','counter',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(9,'dag_bridges','','counter',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(10,'dag_meta','','counter',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(11,'synthesize','','step','20261128T200555-b5f82828','wordllama-0.4.0.post1-256+words-512',NULL);
INSERT INTO "dag_undo" VALUES(12,'dag_items','["concept",5]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(13,'dag_items','["concept",5]','update','leader',NULL,1);
INSERT INTO "dag_undo" VALUES(14,'dag_items','["concept",5]','update','similarity',NULL,0.778287);
INSERT INTO "dag_undo" VALUES(15,'synthesis_cluster_members','[3]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(16,'synthesis_provenance','[3]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(17,'concepts','[5]','update','synthesis_cluster_id',NULL,1);
INSERT INTO "dag_undo" VALUES(18,'synthesis_clusters','[1]','update','member_count',2,3);
INSERT INTO "dag_undo" VALUES(19,'concepts','[4]','update','synthesis_source_count',2,3);
INSERT INTO "dag_undo" VALUES(20,'concepts','[4]','update','content','[What we learned about locking] SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock. The ingester crashed because the SQLite database was locked by a long synthesis run.','[What we learned about locking] A long synthesis holds the SQLite write lock, so the ingester crashes on a locked database. SQLite needs a busy timeout, or the ingester crashes when synthesis holds the write lock. The ingester crashed because the SQLite database was locked by a long synthesis run.');
INSERT INTO "dag_undo" VALUES(21,'concepts','[4]','update','synthesis_confidence',0.4915,0.6);
INSERT INTO "dag_undo" VALUES(22,'concepts','[4]','update','synthesized_at','2026-11-28T20:05:53.768054','2026-11-28T20:05:58.702682');
INSERT INTO "dag_undo" VALUES(23,'synthesis_clusters','[1]','update','synthesized_at','2026-11-28T20:05:53.768054','2026-11-28T20:05:58.702682');
INSERT INTO "dag_undo" VALUES(24,'dag_items','["concept",4]','update','text_hash',X'6CF91A3448FF23C4ECC4FA91EA57D290',X'C51AEC81B3CDE479B1B3FED0AACF5CB8');
INSERT INTO "dag_undo" VALUES(25,'dag_revisions','[4,2]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(26,'embeddings','[4]','delete','artifact_id',NULL,NULL);
INSERT INTO "dag_undo" VALUES(27,'embeddings','[4]','delete','concept_id',4,NULL);
INSERT INTO "dag_undo" VALUES(28,'embeddings','[4]','delete','created_at','2026-11-28 20:05:53',NULL);
INSERT INTO "dag_undo" VALUES(29,'embeddings','[4]','delete','dimensions',768,NULL);
INSERT INTO "dag_undo" VALUES(30,'embeddings','[4]','delete','entity_id',NULL,NULL);
INSERT INTO "dag_undo" VALUES(31,'embeddings','[4]','delete','id',4,NULL);
INSERT INTO "dag_undo" VALUES(32,'embeddings','[4]','delete','model','wordllama-0.4.0.post1-256+words-512',NULL);
INSERT INTO "dag_undo" VALUES(33,'embeddings','[4]','delete','vector',zeroblob(3072),NULL);
INSERT INTO "dag_undo" VALUES(34,'embeddings','[8]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(35,'dag_items','["concept",4]','update','beat','20261128T200550-b8bebd62','20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(36,'dag_items','["concept",6]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(37,'dag_items','["concept",6]','update','leader',NULL,6);
INSERT INTO "dag_undo" VALUES(38,'dag_items','["concept",6]','update','similarity',NULL,1.0);
INSERT INTO "dag_undo" VALUES(39,'dag_items','["concept",7]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(40,'dag_items','["concept",7]','update','leader',NULL,6);
INSERT INTO "dag_undo" VALUES(41,'dag_items','["concept",7]','update','similarity',NULL,0.660805);
INSERT INTO "dag_undo" VALUES(42,'concepts','[8]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(43,'synthesis_clusters','[2]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(44,'concepts','[8]','update','synthesis_cluster_id',NULL,2);
INSERT INTO "dag_undo" VALUES(45,'dag_items','["concept",8]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(46,'dag_meta','["clusters"]','update','value','1','2');
INSERT INTO "dag_undo" VALUES(47,'synthesis_cluster_members','[4]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(48,'synthesis_cluster_members','[5]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(49,'synthesis_provenance','[4]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(50,'synthesis_provenance','[5]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(51,'concepts','[6]','update','synthesis_cluster_id',NULL,2);
INSERT INTO "dag_undo" VALUES(52,'concepts','[7]','update','synthesis_cluster_id',NULL,2);
INSERT INTO "dag_undo" VALUES(53,'synthesis_clusters','[2]','update','member_count',0,2);
INSERT INTO "dag_undo" VALUES(54,'concepts','[8]','update','synthesis_source_count',0,2);
INSERT INTO "dag_undo" VALUES(55,'dag_revisions','[8,1]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(56,'embeddings','[9]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(57,'dag_items','["concept",8]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(58,'dag_items','["concept",8]','update','model',NULL,'wordllama-0.4.0.post1-256+words-512');
INSERT INTO "dag_undo" VALUES(59,'dag_clusters','["concept",6]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(60,'dag_items','["trace",1]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(61,'dag_items','["trace",1]','update','leader',NULL,1);
INSERT INTO "dag_undo" VALUES(62,'dag_items','["trace",1]','update','similarity',NULL,1.0);
INSERT INTO "dag_undo" VALUES(63,'bridge','','step','20261128T200555-b5f82828','wordllama-0.4.0.post1-256+words-512',NULL);
INSERT INTO "dag_undo" VALUES(64,'dag_bridges','[5,1]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(65,'dag_bridges','[1,1]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(66,'dag_bridges','[2,1]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(67,'dag_items','["concept",5]','update','bridged',0,1);
INSERT INTO "dag_undo" VALUES(68,'dag_items','["concept",6]','update','bridged',0,1);
INSERT INTO "dag_undo" VALUES(69,'dag_items','["concept",7]','update','bridged',0,1);
INSERT INTO "dag_undo" VALUES(70,'dag_items','["trace",1]','update','bridged',0,1);
INSERT INTO "dag_undo" VALUES(71,'concepts','[9]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(72,'synthesis_clusters','[3]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(73,'concepts','[9]','update','synthesis_cluster_id',NULL,3);
INSERT INTO "dag_undo" VALUES(74,'dag_items','["concept",9]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(75,'dag_meta','["clusters"]','update','value','2','3');
INSERT INTO "dag_undo" VALUES(76,'synthesis_cluster_members','[6]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(77,'synthesis_cluster_members','[7]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(78,'synthesis_provenance','[6]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(79,'synthesis_provenance','[7]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(80,'synthesis_clusters','[3]','update','member_count',0,2);
INSERT INTO "dag_undo" VALUES(81,'concepts','[9]','update','synthesis_source_count',0,2);
INSERT INTO "dag_undo" VALUES(82,'dag_revisions','[9,1]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(83,'embeddings','[10]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(84,'dag_items','["concept",9]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(85,'dag_items','["concept",9]','update','model',NULL,'wordllama-0.4.0.post1-256+words-512');
INSERT INTO "dag_undo" VALUES(86,'dag_bridges','[1,1]','update','insight_id',NULL,9);
INSERT INTO "dag_undo" VALUES(87,'concepts','[10]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(88,'synthesis_clusters','[4]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(89,'concepts','[10]','update','synthesis_cluster_id',NULL,4);
INSERT INTO "dag_undo" VALUES(90,'dag_items','["concept",10]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(91,'dag_meta','["clusters"]','update','value','3','4');
INSERT INTO "dag_undo" VALUES(92,'synthesis_cluster_members','[8]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(93,'synthesis_cluster_members','[9]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(94,'synthesis_provenance','[8]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(95,'synthesis_provenance','[9]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(96,'synthesis_clusters','[4]','update','member_count',0,2);
INSERT INTO "dag_undo" VALUES(97,'concepts','[10]','update','synthesis_source_count',0,2);
INSERT INTO "dag_undo" VALUES(98,'dag_revisions','[10,1]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(99,'embeddings','[11]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(100,'dag_items','["concept",10]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(101,'dag_items','["concept",10]','update','model',NULL,'wordllama-0.4.0.post1-256+words-512');
INSERT INTO "dag_undo" VALUES(102,'dag_bridges','[5,1]','update','insight_id',NULL,10);
INSERT INTO "dag_undo" VALUES(103,'concepts','[11]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(104,'synthesis_clusters','[5]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(105,'concepts','[11]','update','synthesis_cluster_id',NULL,5);
INSERT INTO "dag_undo" VALUES(106,'dag_items','["concept",11]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(107,'dag_meta','["clusters"]','update','value','4','5');
INSERT INTO "dag_undo" VALUES(108,'synthesis_cluster_members','[10]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(109,'synthesis_cluster_members','[11]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(110,'synthesis_provenance','[10]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(111,'synthesis_provenance','[11]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(112,'synthesis_clusters','[5]','update','member_count',0,2);
INSERT INTO "dag_undo" VALUES(113,'concepts','[11]','update','synthesis_source_count',0,2);
INSERT INTO "dag_undo" VALUES(114,'dag_revisions','[11,1]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(115,'embeddings','[12]','insert',NULL,NULL,NULL);
INSERT INTO "dag_undo" VALUES(116,'dag_items','["concept",11]','update','beat',NULL,'20261128T200555-b5f82828');
INSERT INTO "dag_undo" VALUES(117,'dag_items','["concept",11]','update','model',NULL,'wordllama-0.4.0.post1-256+words-512');
INSERT INTO "dag_undo" VALUES(118,'dag_bridges','[2,1]','update','insight_id',NULL,11);
CREATE TABLE dag_undone (
    beat TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER REFERENCES artifacts (id) ON DELETE CASCADE,
    concept_id INTEGER REFERENCES concepts (id) ON DELETE CASCADE,
    entity_id INTEGER REFERENCES entities (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "embeddings" VALUES(1,NULL,1,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:53');
INSERT INTO "embeddings" VALUES(2,NULL,2,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:53');
INSERT INTO "embeddings" VALUES(3,NULL,3,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:53');
INSERT INTO "embeddings" VALUES(5,NULL,5,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
INSERT INTO "embeddings" VALUES(6,NULL,6,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
INSERT INTO "embeddings" VALUES(7,NULL,7,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
INSERT INTO "embeddings" VALUES(8,NULL,4,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
INSERT INTO "embeddings" VALUES(9,NULL,8,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
INSERT INTO "embeddings" VALUES(10,NULL,9,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
INSERT INTO "embeddings" VALUES(11,NULL,10,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
INSERT INTO "embeddings" VALUES(12,NULL,11,NULL,zeroblob(3072),'wordllama-0.4.0.post1-256+words-512',768,'2026-11-28 20:05:58');
CREATE TABLE entities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (type, value)
);
CREATE TABLE entity_occurrences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    entity_id INTEGER NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    line_number INTEGER,
    context_snippet TEXT
);
CREATE TABLE memory_metadata (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE memory_relationships (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    target_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    relationship_type TEXT NOT NULL CHECK (relationship_type IN
        ('implements', 'justifies', 'derived_from', 'supports', 'contradicts', 'related')),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE processing_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_path TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('pending', 'success', 'error', 'skipped')),
    attempt_count INTEGER DEFAULT 0,
    last_attempt_at TIMESTAMP,
    error_message TEXT,
    file_hash TEXT
);
CREATE TABLE quality_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    entities_extracted INTEGER,
    concepts_extracted INTEGER,
    processing_time_seconds REAL,
    llm_tokens_used INTEGER,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE reasoning_traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    query TEXT NOT NULL,
    query_embedding BLOB,
    approach_taken TEXT NOT NULL,
    strategy_details JSON,
    outcome TEXT CHECK (outcome IN ('success', 'partial_success', 'failure')),
    failure_reason TEXT,
    success_factors JSON,
    memories_used JSON,
    memories_helpful JSON,
    context_snapshot JSON,
    execution_time_ms INTEGER,
    model_used TEXT,
    space_id TEXT,
    timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    similar_to_trace_id INTEGER REFERENCES reasoning_traces (id) ON DELETE SET NULL,
    strategy_title TEXT,
    strategy_description TEXT,
    strategy_content TEXT,
    extraction_model TEXT
);
INSERT INTO "reasoning_traces" VALUES(1,'Why did the ingester crash on the SQLite lock?',NULL,'A busy timeout on the SQLite lock stopped the crash of the ingester during a long synthesis.',NULL,'success',NULL,NULL,NULL,NULL,'{"source": "traces/lock.jsonl"}',NULL,NULL,NULL,'2026-11-28 20:05:56',NULL,'Busy timeout for the ingester','','','haios-dag:structure');
CREATE TABLE skill_registry (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    provider_agent_id TEXT REFERENCES agent_registry (id),
    parameters JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE synthesis_cluster_members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster_id INTEGER NOT NULL REFERENCES synthesis_clusters (id) ON DELETE CASCADE,
    member_type TEXT NOT NULL CHECK (member_type IN ('concept', 'trace', 'cross')),
    member_id INTEGER NOT NULL,
    similarity_to_centroid REAL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "synthesis_cluster_members" VALUES(1,1,'concept',1,1.0,'2026-11-28 20:05:53');
INSERT INTO "synthesis_cluster_members" VALUES(2,1,'concept',2,0.595644,'2026-11-28 20:05:53');
INSERT INTO "synthesis_cluster_members" VALUES(3,1,'concept',5,0.778287,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(4,2,'concept',6,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(5,2,'concept',7,0.660805,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(6,3,'cross',1,0.761235,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(7,3,'cross',1,0.761235,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(8,4,'cross',5,0.70108,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(9,4,'cross',1,0.70108,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(10,5,'cross',2,0.654109,'2026-11-28 20:05:58');
INSERT INTO "synthesis_cluster_members" VALUES(11,5,'cross',1,0.654109,'2026-11-28 20:05:58');
CREATE TABLE synthesis_clusters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster_type TEXT NOT NULL CHECK (cluster_type IN ('concept', 'trace', 'cross')),
    centroid_embedding BLOB,
    member_count INTEGER DEFAULT 0,
    synthesized_concept_id INTEGER REFERENCES concepts (id) ON DELETE SET NULL,
    status TEXT DEFAULT 'pending' CHECK (status IN ('pending', 'synthesized', 'skipped')),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    synthesized_at TIMESTAMP
);
INSERT INTO "synthesis_clusters" VALUES(1,'concept',NULL,3,4,'synthesized','2026-11-28 20:05:53','2026-11-28T20:05:58.702682');
INSERT INTO "synthesis_clusters" VALUES(2,'concept',NULL,2,8,'synthesized','2026-11-28 20:05:58','2026-11-28T20:05:58.703570');
INSERT INTO "synthesis_clusters" VALUES(3,'cross',NULL,2,9,'synthesized','2026-11-28 20:05:58','2026-11-28T20:05:58.873462');
INSERT INTO "synthesis_clusters" VALUES(4,'cross',NULL,2,10,'synthesized','2026-11-28 20:05:58','2026-11-28T20:05:58.882849');
INSERT INTO "synthesis_clusters" VALUES(5,'cross',NULL,2,11,'synthesized','2026-11-28 20:05:58','2026-11-28T20:05:58.883124');
CREATE TABLE synthesis_provenance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    synthesized_concept_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    source_type TEXT NOT NULL CHECK (source_type IN ('concept', 'trace', 'cross')),
    source_id INTEGER NOT NULL,
    contribution_weight REAL DEFAULT 1.0,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "synthesis_provenance" VALUES(1,4,'concept',1,1.0,'2026-11-28 20:05:53');
INSERT INTO "synthesis_provenance" VALUES(2,4,'concept',2,1.0,'2026-11-28 20:05:53');
INSERT INTO "synthesis_provenance" VALUES(3,4,'concept',5,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(4,8,'concept',6,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(5,8,'concept',7,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(6,9,'cross',1,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(7,9,'cross',1,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(8,10,'cross',5,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(9,10,'cross',1,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(10,11,'cross',2,1.0,'2026-11-28 20:05:58');
INSERT INTO "synthesis_provenance" VALUES(11,11,'cross',1,1.0,'2026-11-28 20:05:58');
CREATE INDEX idx_concepts_synthesis_cluster ON concepts (synthesis_cluster_id)
    WHERE synthesis_cluster_id IS NOT NULL;
CREATE INDEX idx_concepts_synthesized ON concepts (synthesized_at)
    WHERE synthesized_at IS NOT NULL;
CREATE INDEX idx_traces_strategy_title ON reasoning_traces (strategy_title)
    WHERE strategy_title IS NOT NULL;
CREATE INDEX dag_items_text ON dag_items (text_hash);
CREATE INDEX dag_items_form ON dag_items (form) WHERE form IS NOT NULL;
CREATE INDEX dag_items_leader ON dag_items (kind, leader) WHERE leader IS NOT NULL;
CREATE INDEX dag_items_to_embed ON dag_items (kind, id)
    WHERE model IS NULL AND state IN ('live', 'consumed', 'product');
CREATE INDEX dag_items_to_consider ON dag_items (kind, id)
    WHERE leader IS NULL AND model IS NOT NULL AND state = 'live';
CREATE INDEX dag_items_to_bridge ON dag_items (kind, id)
    WHERE bridged = 0 AND model IS NOT NULL AND state IN ('live', 'consumed');
CREATE INDEX dag_bridges_waiting ON dag_bridges (similarity DESC, concept_id, trace_id)
    WHERE insight_id IS NULL;
CREATE INDEX dag_bridges_trace ON dag_bridges (trace_id);
CREATE INDEX dag_concept_occurrences_artifact_id ON concept_occurrences (artifact_id);
CREATE INDEX dag_concept_occurrences_concept_id ON concept_occurrences (concept_id);
CREATE INDEX dag_embeddings_concept_id ON embeddings (concept_id);
CREATE INDEX dag_synthesis_cluster_members_cluster_id ON synthesis_cluster_members (cluster_id);
CREATE INDEX dag_synthesis_provenance_synthesized_concept_id ON synthesis_provenance (synthesized_concept_id);
CREATE TRIGGER dag_counts_insert AFTER INSERT ON dag_items BEGIN UPDATE dag_counts SET number = number + 1 WHERE kind = new.kind AND state = new.state AND embedded = (new.model IS NOT NULL); END;
CREATE TRIGGER dag_counts_delete AFTER DELETE ON dag_items BEGIN UPDATE dag_counts SET number = number - 1 WHERE kind = old.kind AND state = old.state AND embedded = (old.model IS NOT NULL); END;
CREATE TRIGGER dag_counts_update AFTER UPDATE OF kind, state, model ON dag_items
    WHEN old.kind != new.kind OR old.state != new.state
        OR (old.model IS NULL) != (new.model IS NULL)
    BEGIN UPDATE dag_counts SET number = number - 1 WHERE kind = old.kind AND state = old.state AND embedded = (old.model IS NOT NULL); UPDATE dag_counts SET number = number + 1 WHERE kind = new.kind AND state = new.state AND embedded = (new.model IS NOT NULL); END;
CREATE INDEX dag_count_concepts ON concepts (1);
CREATE INDEX dag_count_traces ON reasoning_traces (1);
CREATE INDEX dag_count_clusters ON synthesis_clusters (status, cluster_type);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('artifacts',6);
INSERT INTO "sqlite_sequence" VALUES('concepts',11);
INSERT INTO "sqlite_sequence" VALUES('concept_occurrences',6);
INSERT INTO "sqlite_sequence" VALUES('embeddings',12);
INSERT INTO "sqlite_sequence" VALUES('synthesis_clusters',5);
INSERT INTO "sqlite_sequence" VALUES('synthesis_cluster_members',11);
INSERT INTO "sqlite_sequence" VALUES('synthesis_provenance',11);
INSERT INTO "sqlite_sequence" VALUES('reasoning_traces',1);
