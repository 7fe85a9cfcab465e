"""Text only: what a line means. No clock, no state, no sockets."""
