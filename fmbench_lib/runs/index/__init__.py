"""All runs of a results folder or a bucket: found, read once into an index, tagged and deleted."""
