"""What judges are asked, and what their answers mean."""
