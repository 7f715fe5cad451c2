"""llama.cpp's server in a container, by the options of its own program `llama-server` (those that fmbench writes)."""

import argparse
import threading

import xllamacpp

parser = argparse.ArgumentParser()
parser.add_argument("--model", required=True)
parser.add_argument("--alias")
parser.add_argument("--host", default="127.0.0.1")
parser.add_argument("--port", type=int, default=8080)
parser.add_argument("--parallel", "-np", type=int, default=1)
parser.add_argument("--ctx-size", "-c", type=int, default=4096)
parser.add_argument("--threads", "-t", type=int)
parser.add_argument("--metrics", action="store_true")
given = parser.parse_args()

params = xllamacpp.CommonParams()
params.model.path = given.model
params.model_alias = {given.alias or given.model}
params.hostnames = [given.host]
params.port = given.port
params.n_ctx = given.ctx_size
params.n_parallel = given.parallel
if given.threads:
    params.cpuparams.n_threads = given.threads
params.cont_batching = True
params.use_jinja = True
params.endpoint_metrics = given.metrics
params.ui = False
params.offline = True
server = xllamacpp.Server(params)
print(f"serves {given.alias} at {server.listening_address}", flush=True)
threading.Event().wait()
