"""Tests of examples/ and docs/clients.md: they do what they say, with a real broker."""
