-- How many tasks of an application wait is bounded, and so it is counted.
CREATE INDEX task_waiting ON task (tenant, app) WHERE state = 'to_do' AND app <> '';
