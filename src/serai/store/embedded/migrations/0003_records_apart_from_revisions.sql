-- The reference to `revision` made each removal of a revision look through all of `record`. No writer needs it: a
-- descriptor's own revision is never removed.
CREATE TABLE record_apart (
    kind    TEXT    NOT NULL,
    tenant  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    change  INTEGER NOT NULL,
    PRIMARY KEY (kind, tenant, name)
) STRICT, WITHOUT ROWID;

INSERT INTO record_apart SELECT kind, tenant, name, version, change FROM record;

DROP TABLE record;

ALTER TABLE record_apart RENAME TO record;
