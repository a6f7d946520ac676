"""The platform's own modules: what every host runs, whatever its services.

Here belong modules over store, bus and tasks. Here does not belong anything of one service.
"""

from serai.daemon.service import Service

SERVICE = Service(
    name="platform",
    summary="The bus, the replica, what the store keeps, the bots and the clock of the task manager",
    modules={
        "bus.server": "serai.daemon.modules.bus_server:BusServer",
        "store.replica": "serai.daemon.modules.replica:ReplicaFiller",
        "store.retention": "serai.daemon.modules.retention:RetentionModule",
        "tasks.bot": "serai.daemon.modules.bot:BotModule",
        "tasks.clock": "serai.daemon.modules.clock:ClockModule",
    },
    kinds="serai.tasks.schedule:KINDS",
)
