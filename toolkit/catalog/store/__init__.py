"""Objects by their paths: on disks, durably, and in object stores."""
