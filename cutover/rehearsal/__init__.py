"""An environment's very plan, walked in a twin of it on this machine: forward, back from every phase, and forward again."""
