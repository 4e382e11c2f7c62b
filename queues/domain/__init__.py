"""What an activity is and how it may change: no I/O, no framework."""
