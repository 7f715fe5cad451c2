"""How prompts are made, fitted to an endpoint and checked: templates, conversations, synthetic lengths."""
