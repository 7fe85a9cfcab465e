"""The other end of the wire: a session without input and output, and a client for asyncio around it."""
