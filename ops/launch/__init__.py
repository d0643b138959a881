"""`make run`: every process of StormAlert on one machine, under supervisord, with a demo market when there is no Kite key."""
