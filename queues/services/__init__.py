"""What the product does, one verb a file: the only writers."""
