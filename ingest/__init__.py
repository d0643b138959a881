"""Kite's ticks into Redis: session and sockets, decoder, admission, publisher."""
