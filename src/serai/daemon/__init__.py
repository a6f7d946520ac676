"""The kernel: modules, worker groups, supervisor, listeners, reload, upgrade.

Here belongs what every service needs in order to run. Here does not belong anything a tenant could name.
"""
