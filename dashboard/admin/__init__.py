"""The parts of the page Admin, one a file; only admins get as far as any of them."""
