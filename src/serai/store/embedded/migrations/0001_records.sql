-- What the store is: `store` (its random ID).
CREATE TABLE about (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- All that ever was: the history of each descriptor and, in order of `change`, the feed. A spec of NULL is a delete.
CREATE TABLE revision (
    change  INTEGER NOT NULL PRIMARY KEY,
    kind    TEXT    NOT NULL,
    tenant  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    who     TEXT    NOT NULL,
    why     TEXT    NOT NULL,
    at      REAL    NOT NULL,  -- seconds since the epoch; may jump back with the clock, `change` never does
    "schema" INTEGER NOT NULL,
    spec    BLOB,
    mark    INTEGER NOT NULL,  -- digest of this row and all before it
    UNIQUE (kind, tenant, name, version)
) STRICT;

-- What is: which revision each live descriptor is at.
CREATE TABLE record (
    kind    TEXT    NOT NULL,
    tenant  TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    version INTEGER NOT NULL,
    change  INTEGER NOT NULL REFERENCES revision (change),
    PRIMARY KEY (kind, tenant, name)
) STRICT, WITHOUT ROWID;
