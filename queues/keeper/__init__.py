"""The agents that keep the two views and the clock: one a file, each a loop over ``step()``."""
