-- What runs stands in a lane of its own, -1, and so in the index of what is ready: a claim changes one page of it, and
-- none of a second index. Without a lane are only those that are to be cancelled, and what older code runs. That finds
-- its bot's tasks at its end by looking through all of them.
CREATE INDEX task_to_cancel ON task (bot) WHERE state = 'to_cancel';
CREATE INDEX task_laneless ON task (bot) WHERE state = 'is_processing' AND lane IS NULL;
DROP INDEX task_held;
