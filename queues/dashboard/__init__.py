"""The console: pages, the websocket, and how values are written in them."""
