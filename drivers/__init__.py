"""Talks to devices; knows nothing of sites, MQTT or signatures."""
