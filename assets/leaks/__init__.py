"""How much of an area comes from where the lung masks were drawn, and from the warp that they cause."""
