"""Run an application's tasks, one after the other, for the bot at the other end of a socket.

    python serai_runner SOCKET [--root FOLDER] [--settings MODULE]

It connects to SOCKET and gets, with the first frame, the descriptor that takes all output. A frame is four octets of
length (big endian) and JSON. The bot sends ``{"do": "call" | "run", …}`` for a task and ``{"do": "cancel"}`` for its
end; the answer to a task is any number of ``{"progress", "sentence"}``, then one of ``{"result"}``, ``{"error"}`` and
``{"canceled"}``. When the bot goes, the runner ends at once, and with it all that it started.

Its name is its own: what it imports stays in the process in which the application's modules are found by theirs.
"""
