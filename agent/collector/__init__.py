"""The platform side: verify, store, receipt."""
