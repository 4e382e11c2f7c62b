"""The index view: what PostgreSQL shows of the log."""
