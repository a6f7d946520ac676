-- Tasks: small rows that change with each step; what may be large lies in task_payload.
CREATE TABLE task (
    number     INTEGER NOT NULL PRIMARY KEY,  -- grows with insertion: the order within a channel
    id         TEXT    NOT NULL UNIQUE,
    function   TEXT    NOT NULL,
    arguments  BLOB,                          -- MessagePack; NULL where it lies in task_payload
    tenant     TEXT    NOT NULL,
    app        TEXT    NOT NULL,
    queue      TEXT    NOT NULL,
    channel    TEXT    NOT NULL,
    priority   INTEGER NOT NULL,
    not_before REAL    NOT NULL,              -- seconds since the epoch
    deadline   REAL    NOT NULL,              -- seconds of one run
    retries    INTEGER NOT NULL,
    provider   TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    parent     TEXT    NOT NULL,
    who        TEXT    NOT NULL,
    created    REAL    NOT NULL,
    state      TEXT    NOT NULL,              -- to_do, is_processing, done, error, to_cancel, canceled
    wait       TEXT    NOT NULL,              -- of to_do: ready, time, channel, paused, function; else ''
    rank       INTEGER NOT NULL DEFAULT 0,    -- turn among ready tasks of a queue and priority, fair between tenants
    steps      INTEGER NOT NULL DEFAULT 1,    -- lines of its story
    run        INTEGER NOT NULL DEFAULT 0,    -- how often it was started; tells a bot's claim from an earlier one
    failures   INTEGER NOT NULL DEFAULT 0,    -- runs that burned a retry
    lost       INTEGER NOT NULL DEFAULT 0,    -- runs whose bot died
    bot        TEXT    NOT NULL DEFAULT '',
    progress   REAL    NOT NULL DEFAULT 0,    -- 0 to 1
    sentence   TEXT    NOT NULL DEFAULT '',
    lines      INTEGER NOT NULL DEFAULT 0,    -- log lines ever written
    started    REAL    NOT NULL DEFAULT 0,
    finished   REAL    NOT NULL DEFAULT 0,
    error      BLOB                           -- MessagePack of the last run's error
) STRICT;

-- Each of these holds only the rows that it is for, so that a claim costs the same however many tasks wait.
CREATE UNIQUE INDEX task_key ON task (tenant, key) WHERE key <> '';
CREATE INDEX task_ready ON task (queue, priority DESC, rank) WHERE wait = 'ready';
CREATE INDEX task_due ON task (not_before) WHERE wait = 'time';
CREATE INDEX task_parked ON task (function) WHERE wait = 'function';
CREATE INDEX task_channel ON task (channel) WHERE channel <> '' AND state IN ('to_do', 'is_processing', 'to_cancel');
CREATE INDEX task_bot_holds ON task (bot) WHERE bot <> '';
CREATE INDEX task_of_tenant ON task (tenant);
CREATE INDEX task_failed ON task (state) WHERE state IN ('error', 'canceled');
CREATE INDEX task_parent ON task (parent) WHERE parent <> '';

CREATE TABLE task_payload (
    task      INTEGER NOT NULL PRIMARY KEY,
    arguments BLOB,
    result    BLOB
) STRICT;

-- Every transition: who, when, why.
CREATE TABLE task_story (
    task INTEGER NOT NULL,
    step INTEGER NOT NULL,
    at   REAL    NOT NULL,
    who  TEXT    NOT NULL,
    old  TEXT    NOT NULL,
    new  TEXT    NOT NULL,
    why  TEXT    NOT NULL,
    PRIMARY KEY (task, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_log (
    task INTEGER NOT NULL,
    line INTEGER NOT NULL,
    at   REAL    NOT NULL,
    text TEXT    NOT NULL,
    PRIMARY KEY (task, line)
) STRICT, WITHOUT ROWID;

-- Bots that live: a beat that stays the same while a clock watches means death.
CREATE TABLE task_bot (
    name   TEXT    NOT NULL PRIMARY KEY,
    beat   INTEGER NOT NULL,
    queues TEXT    NOT NULL,
    since  REAL    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE task_pause (
    channel TEXT NOT NULL PRIMARY KEY,
    who     TEXT NOT NULL,
    at      REAL NOT NULL,
    why     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Fair queueing between tenants: the last turn given to each, and the turn that a queue is at.
CREATE TABLE task_flow (
    queue    TEXT    NOT NULL,
    priority INTEGER NOT NULL,
    tenant   TEXT    NOT NULL,
    rank     INTEGER NOT NULL,
    PRIMARY KEY (queue, priority, tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_turn (
    queue    TEXT    NOT NULL,
    priority INTEGER NOT NULL,
    rank     INTEGER NOT NULL,
    PRIMARY KEY (queue, priority)
) STRICT, WITHOUT ROWID;

-- How far each schedule was dealt with: seconds since the epoch.
CREATE TABLE task_mark (
    schedule TEXT NOT NULL PRIMARY KEY,
    at       REAL NOT NULL
) STRICT, WITHOUT ROWID;
