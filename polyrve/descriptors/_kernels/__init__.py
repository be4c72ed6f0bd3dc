"""How descriptors are computed: what only they use."""
