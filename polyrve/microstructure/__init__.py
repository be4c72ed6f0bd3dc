"""What a map or volume is, and what can be measured on it: fields, grains, sizes, shapes, places, specimens."""
