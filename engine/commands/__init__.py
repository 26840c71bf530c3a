"""External commands: what they are, how they are written, what proves them. All pure: no clock, file, socket or thread."""
