"""Stories without a model: a small grammar, a store of scenes, and chance that can be repeated."""
