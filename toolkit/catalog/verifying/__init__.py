"""Whether all that is stored is whole, and mending what is not."""
