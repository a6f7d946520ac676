"""What the API offers for apps beyond their descriptors.

Each route only names its action and calls a function of `serai.services.apps`: no decision is made here.
"""

from serai.services.apps.routes import app, git, logs, release, shell, trash, work

ROUTES = [*app.ROUTES, *release.ROUTES, *git.ROUTES, *logs.ROUTES, *shell.ROUTES, *work.ROUTES, *trash.ROUTES]
