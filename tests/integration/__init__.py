"""Tests of the integration, in a Home Assistant core, over real sockets."""
