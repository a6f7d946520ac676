CREATE INDEX CONCURRENTLY IF NOT EXISTS task_app ON task (tenant, app, number) WHERE app <> '';
