"""The broker's state: who is here, who wants what, what is known. No sockets, no files, no asyncio."""
