"""Arrival processes: when the requests of an open loop are due. One module each, registered in `config/arrival_facts`.

One schedule is drawn for the whole level and then dealt out to the workers, so that the endpoint sees one process
however many workers send it.
"""
