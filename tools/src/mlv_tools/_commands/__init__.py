"""The subcommands of `mlv`: one module each, named after it, with the command as `command`."""
