"""How long exact search on processors takes, beside its peers."""
