-- What the store is: `store` (its random ID).
CREATE TABLE about (
    key   text PRIMARY KEY,
    value text NOT NULL
);

-- One row, the newest change: who writes changes locks it first, so that numbers have no gaps and commit in order.
CREATE TABLE head (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    number bigint  NOT NULL,
    mark   bigint  NOT NULL,
    first  bigint  NOT NULL  -- the feed is complete from here on
) WITH (fillfactor = 10);
INSERT INTO head (number, mark, first) VALUES (0, 0, 1);

-- The last transaction of each writer: who lost its connection in a commit learns from it how that ended.
CREATE TABLE writer (
    id   uuid        PRIMARY KEY,
    at   bigint      NOT NULL,
    seen timestamptz NOT NULL
) WITH (fillfactor = 50);

-- All that ever was: the history of each descriptor and, in order of `change`, the feed. A spec of NULL is a delete.
CREATE TABLE revision (
    change   bigint           PRIMARY KEY,
    kind     text COLLATE "C" NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    version  bigint           NOT NULL,
    who      text             NOT NULL,
    why      text             NOT NULL,
    at       double precision NOT NULL,  -- seconds since the epoch; may jump back with the clock, `change` never does
    "schema" bigint           NOT NULL,
    spec     bytea,
    mark     bigint           NOT NULL,  -- digest of this row and all before it
    UNIQUE (kind, tenant, name, version)
);

-- What is: which revision each live descriptor is at.
CREATE TABLE record (
    kind    text COLLATE "C" NOT NULL,
    tenant  text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    version bigint           NOT NULL,
    change  bigint           NOT NULL,  -- of revision; no foreign key: its checks would lock what others read
    PRIMARY KEY (kind, tenant, name)
);
