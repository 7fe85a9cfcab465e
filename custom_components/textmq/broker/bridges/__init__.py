"""Links to brokers of other kinds. Each is one more client of the router, and imports its library only where it is switched on."""
