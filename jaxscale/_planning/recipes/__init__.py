"""What exactly to train: from a size and tokens to shapes, batches, devices and days.

Read `decoder` (a shape and its exact counts), `memory`, `batch_rules` (laws of batch and learning rate, side by side),
`target` (what a plan asks for), `nearby` (shapes close to a size), `written_recipe` (the record), then `recipe` (the
verb). Nothing here fits or plans.
"""
