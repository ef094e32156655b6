"""From a pack to a model that runs: found, tried in a child process, opened, fed, decoded."""
