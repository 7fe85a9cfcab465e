"""The port and the files: the only asyncio of the broker."""
