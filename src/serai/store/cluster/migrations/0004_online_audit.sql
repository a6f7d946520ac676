CREATE INDEX CONCURRENTLY IF NOT EXISTS revision_by_tenant ON revision (tenant, change);
