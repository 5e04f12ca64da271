"""One small service in three web frameworks; nothing imports these modules, and the frameworks come with no extra of the library."""
