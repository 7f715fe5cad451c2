"""Platform `ec2`: serving containers on this machine, through the Docker API."""
