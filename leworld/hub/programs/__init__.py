"""Models as programs for runtimes without leworld."""
