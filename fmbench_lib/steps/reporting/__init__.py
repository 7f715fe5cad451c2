"""From a run's records to the inputs of its report and page."""
