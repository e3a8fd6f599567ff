"""What a catalog holds, as xarray and pandas show it."""
