"""One page a file: its views, and nothing that another page needs."""
