"""Platform `user_script`: a deployment script of the user's own."""
