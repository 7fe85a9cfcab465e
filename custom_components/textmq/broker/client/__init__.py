"""The other end of the wire: a client, for people and programs that speak to a broker."""
