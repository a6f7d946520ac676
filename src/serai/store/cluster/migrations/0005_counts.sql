-- How many tasks of each application wait, so that who inserts more is refused in the same transaction. Code that does
-- not know it yet does not count: what that leaves is found and added now and then, by `turn` only once.
CREATE TABLE task_count (
    tenant  text COLLATE "C" NOT NULL,
    app     text COLLATE "C" NOT NULL,
    waiting bigint           NOT NULL,
    turn    integer          NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, app)
) WITH (fillfactor = 20);
INSERT INTO task_count (tenant, app, waiting)
SELECT t.tenant, t.app, count(*) FROM task_place p JOIN task t ON t.number = p.number
WHERE p.state = 'to_do' AND t.app <> '' GROUP BY 1, 2;
