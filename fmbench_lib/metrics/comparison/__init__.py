"""What can be said of the difference between two levels, pure: measures, matching, what differs beside them, claims."""
