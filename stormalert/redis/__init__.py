"""Redis: its keys, its scripts, its users, and the clients' manners."""
