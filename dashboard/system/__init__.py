"""How the whole of StormAlert is doing: what its processes tell, and what that means in words."""
