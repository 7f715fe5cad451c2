"""Platform `local`: llama.cpp's server as processes on this machine."""
