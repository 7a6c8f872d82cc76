"""The gateway: polls, seals, stores, forwards; and the collector that verifies."""
