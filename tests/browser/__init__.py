"""TextMQ as a person sees it: a real Home Assistant, its real frontend, a real browser."""
