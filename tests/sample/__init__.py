"""An installed app with handlers of every kind, for tests that run real workers."""
