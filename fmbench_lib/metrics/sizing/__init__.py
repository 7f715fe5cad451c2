"""How many copies of what was measured carry a rate of requests within a limit on their times, and what they cost."""
