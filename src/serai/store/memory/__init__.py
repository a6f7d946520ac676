"""The engine for tests: all in this process, gone with it, with the same promises otherwise."""
