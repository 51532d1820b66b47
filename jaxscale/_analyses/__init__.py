"""What is asked once there are fits and plans; a folder for each kind of question, none of which the line needs.

Read `diagnostics` (questions to one finished fit or plan), `approaches` (Approaches 1, 2 and 3 side by side),
`comparison` (which law predicts held-out runs; knows no plan), then `deciding`, which stands on all three.
"""
