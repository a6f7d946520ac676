"""What people type: ``serai deploy``, ``serai app``, ``serai release``, ``serai runtime`` and ``serai trash``.

Words become requests to the API, answers become text. Here belongs no decision about apps: it is the API's, so that
the console and scripts meet the same one.
"""

from serai.services.apps.commands.app import apps
from serai.services.apps.commands.deploy import deploying
from serai.services.apps.commands.domain import domains
from serai.services.apps.commands.env import envs
from serai.services.apps.commands.git import gits
from serai.services.apps.commands.release import releases
from serai.services.apps.commands.runtime import runtimes
from serai.services.apps.commands.shell import shell
from serai.services.apps.commands.trash import trash, undelete

apps.add_typer(envs)
apps.add_typer(domains)
apps.add_typer(gits)

apps.command()(shell)
apps.command()(undelete)

COMMANDS = [deploying, apps, releases, runtimes, trash]
