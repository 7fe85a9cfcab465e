"""The ESPHome component: its wire code alone, and real nodes against a real broker and a real Home Assistant."""
