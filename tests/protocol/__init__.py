"""What tests of the write protocol share: a system that they step, and a fold of the log to compare views with."""
