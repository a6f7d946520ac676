"""What the task manager says on the bus. All of it is nudges: whoever misses one finds out at its next poll."""

#: A queue has work; the message is its name, or None for «look, whatever yours is».
NEW = "tasks.new"
#: A running task is to be cancelled; the message is its id.
CANCEL = "tasks.cancel"
#: Tasks moved or reported; the message is a list of some of their ids.
CHANGED = "tasks.changed"

#: IDs in one message of CHANGED.
MAX_CHANGED = 200
