"""Statistical studies with kept figures: how often intervals hold, whether verdicts are right."""
