-- Ready tasks stand in lanes (a tenant's in a queue), behind gates (limits, rates, providers that are down); tasks come
-- after other tasks. A story's ordinary lines are in the columns of the task itself, so `steps` goes, and `rank`, too.
CREATE TABLE task_next (
    number     INTEGER NOT NULL PRIMARY KEY,  -- grows with insertion: the order within a channel
    id         TEXT    NOT NULL,
    function   TEXT    NOT NULL,
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
    wait       TEXT    NOT NULL,              -- of to_do: ready, time, channel, paused, function, tasks; else ''
    run        INTEGER NOT NULL DEFAULT 0,    -- how often it was started; tells a bot's claim from an earlier one
    failures   INTEGER NOT NULL DEFAULT 0,    -- runs that burned a retry
    lost       INTEGER NOT NULL DEFAULT 0,    -- runs whose bot died
    bot        TEXT    NOT NULL DEFAULT '',   -- that runs it, or ran it last
    progress   REAL    NOT NULL DEFAULT 0,    -- 0 to 1
    sentence   TEXT    NOT NULL DEFAULT '',
    started    REAL    NOT NULL DEFAULT 0,
    finished   REAL    NOT NULL DEFAULT 0,
    expires    REAL    NOT NULL DEFAULT 0,    -- when it has to have started; 0 for never
    awaits     INTEGER NOT NULL DEFAULT 0,    -- tasks that have to end first
    ties       INTEGER NOT NULL DEFAULT 0,    -- bits: what has to be seen to when it moves
    options    BLOB    NOT NULL DEFAULT x'',  -- MessagePack of what few tasks say
    failure    BLOB    NOT NULL DEFAULT x'',  -- MessagePack of the last run's error
    arguments  BLOB,                          -- MessagePack; NULL where it lies in task_payload
    lane       INTEGER,                       -- where it is ready
    lock       TEXT,                          -- its key, while that is its own
    lines      INTEGER NOT NULL DEFAULT 0     -- log lines ever written
) STRICT;

INSERT INTO task_next (number, id, function, tenant, app, queue, channel, priority, not_before, deadline, retries,
                       provider, key, parent, who, created, state, wait, run, failures, lost, bot, progress, sentence,
                       started, finished, ties, failure, arguments, lock, lines)
SELECT number, id, function, tenant, app, queue, channel, priority, not_before, deadline, retries, provider, key,
       parent, who, created, state, wait, run, failures, lost, bot, progress, sentence, started, finished,
       channel <> '', coalesce(error, x''), arguments, nullif(key, ''), lines
FROM task;
DROP TABLE task;
ALTER TABLE task_next RENAME TO task;

-- Each of these holds only the rows that it is for, so that a claim costs the same however many tasks wait.
CREATE UNIQUE INDEX task_id ON task (id);
CREATE UNIQUE INDEX task_lock ON task (tenant, lock) WHERE lock IS NOT NULL;
-- Holds all that is looked at while a claim chooses.
CREATE INDEX task_ready ON task (lane, priority DESC, number, function) WHERE lane IS NOT NULL;
CREATE INDEX task_held ON task (bot) WHERE state IN ('is_processing', 'to_cancel');
CREATE INDEX task_due ON task (not_before) WHERE wait = 'time';
CREATE INDEX task_parked ON task (function) WHERE wait = 'function';
CREATE INDEX task_behind ON task (channel) WHERE wait = 'channel';
CREATE INDEX task_inside ON task (channel)
    WHERE channel <> '' AND state IN ('to_do', 'is_processing', 'to_cancel') AND wait NOT IN ('channel', 'tasks');
CREATE INDEX task_expires ON task (expires) WHERE expires > 0 AND state = 'to_do';
CREATE INDEX task_tenant ON task (tenant);
CREATE INDEX task_failed ON task (state) WHERE state IN ('error', 'canceled');
CREATE INDEX task_parent ON task (parent) WHERE parent <> '';

-- Which tasks a task comes after.
CREATE TABLE task_after (
    task     INTEGER NOT NULL,
    position INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    PRIMARY KEY (task, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_followers ON task_after (first);

-- Ready tasks of one queue that pass the same gates; there is a lane as long as it holds any.
CREATE TABLE task_lane (
    id       INTEGER NOT NULL PRIMARY KEY,
    queue    TEXT    NOT NULL,
    tenant   TEXT    NOT NULL,
    provider TEXT    NOT NULL,
    channel  TEXT    NOT NULL,             -- where that has a rate
    time     REAL    NOT NULL,             -- virtual: the smallest is next
    shut     TEXT    NOT NULL DEFAULT '',  -- scope:name of the gate that closed it
    UNIQUE (queue, tenant, provider, channel)
) STRICT;
CREATE INDEX task_lane_open ON task_lane (queue, time) WHERE shut = '';
CREATE INDEX task_lane_shut ON task_lane (shut, queue, time) WHERE shut <> '';

-- The virtual time that each queue has reached.
CREATE TABLE task_time (
    queue TEXT NOT NULL PRIMARY KEY,
    time  REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Limits, rates, and providers that are or were down.
CREATE TABLE task_gate (
    scope TEXT NOT NULL,     -- tenant, channel, provider
    name  TEXT NOT NULL,
    key   TEXT NOT NULL,     -- scope:name
    gate  BLOB NOT NULL,     -- MessagePack
    opens REAL,              -- when it opens, while lanes stand under it
    at    REAL NOT NULL,     -- when this was written
    calls REAL,              -- when its prober is to be called
    probe INTEGER NOT NULL,  -- number of the task that tries it, or 0
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_gate_opens ON task_gate (opens) WHERE opens IS NOT NULL;
CREATE INDEX task_gate_written ON task_gate (at) WHERE opens IS NOT NULL;
CREATE INDEX task_gate_calls ON task_gate (calls) WHERE calls IS NOT NULL;
CREATE INDEX task_gate_probe ON task_gate (probe) WHERE probe <> 0;

INSERT INTO task_lane (queue, tenant, provider, channel, time)
SELECT DISTINCT queue, tenant, provider, '', 0.0 FROM task WHERE wait = 'ready';
UPDATE task SET lane = (
    SELECT id FROM task_lane AS l WHERE l.queue = task.queue AND l.tenant = task.tenant AND l.provider = task.provider
) WHERE wait = 'ready';
DROP TABLE task_flow;
DROP TABLE task_turn;
