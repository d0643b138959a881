"""When the exchanges trade, and how prices went."""
