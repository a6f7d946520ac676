-- Pages about an application show its last tasks, however many others its tenant has.
CREATE INDEX task_app ON task (tenant, app) WHERE app <> '';
