"""Sans-IO parsers and state machines. They know no asyncio, socket, clock or log."""
