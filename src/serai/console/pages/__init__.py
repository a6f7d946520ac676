"""The pages: each module is one, or a few that belong together, found by being here.

A module has ``ROUTES`` and may have ``NAV``; see `serai.console.nav` and docs/console.md. What several pages need is in
`serai.console` itself.
"""
