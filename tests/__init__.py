"""Tests of TextMQ."""
