"""Where ports meet adapters: settings, the container, and the supervisor behind `make run`."""
