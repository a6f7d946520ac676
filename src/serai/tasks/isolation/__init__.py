"""Functions in processes of their own: what crashes, never ends or eats memory there is no concern of the bot's.

A bot starts one `nursery`, a fresh interpreter with one thread, when its first isolated task comes. That forks a
`warden` for each run, which forks the `cell` where the function runs. `parent` is the bot's side. All processes of a
run are in a PID namespace of their own where the kernel allows one, so that killing its first kills them all; and all
of them die with the bot.
"""

from serai.tasks.isolation.parent import Nursery

__all__ = ["Nursery"]
