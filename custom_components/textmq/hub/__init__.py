"""Where the broker and Home Assistant meet: the rooms behind the doors that core names."""
