"""Whether the answers are any good: a panel of judges, and scores that need none."""
