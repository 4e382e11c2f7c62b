"""The hot view: what may run now, who holds what, and what was just settled; the only place with redis."""
