"""Where prices come from: price files, and the AWS Price List API for what no file lists."""
