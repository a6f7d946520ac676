-- Attempts that were refused: what the audit shows beside the history of changes.
CREATE TABLE refusal (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     double precision NOT NULL,  -- seconds since the epoch
    who    text             NOT NULL,
    action text             NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    app    text             NOT NULL,
    kind   text             NOT NULL,
    name   text             NOT NULL,
    reason text             NOT NULL,
    count  bigint           NOT NULL
);

CREATE INDEX refusal_by_tenant ON refusal (tenant, number);
