-- Attempts that were refused: what the audit shows beside the history of changes.
CREATE TABLE refusal (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at     REAL    NOT NULL,  -- seconds since the epoch
    who    TEXT    NOT NULL,
    action TEXT    NOT NULL,
    tenant TEXT    NOT NULL,
    app    TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    count  INTEGER NOT NULL
) STRICT;

CREATE INDEX refusal_by_tenant ON refusal (tenant, number);
CREATE INDEX revision_by_tenant ON revision (tenant, change);
