"""Who somebody is: signing in and out, one-time links, passwords, and one's own account."""
