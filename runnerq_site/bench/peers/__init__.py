"""Other task queues with the same work: one file each, named like the package it imports."""
