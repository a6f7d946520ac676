-- How many tasks of each application wait, so that who inserts more is refused in the same transaction. Code that does
-- not know it yet does not count: what that leaves is found and added now and then, by `turn` only once.
CREATE TABLE task_count (
    tenant  TEXT    NOT NULL,
    app     TEXT    NOT NULL,
    waiting INTEGER NOT NULL,
    turn    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, app)
) STRICT, WITHOUT ROWID;
INSERT INTO task_count (tenant, app, waiting)
SELECT tenant, app, count(*) FROM task WHERE state = 'to_do' AND app <> '' GROUP BY tenant, app;
